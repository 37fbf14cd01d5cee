"""Japanese. Polite: です・ます."""

from __future__ import annotations

TEXTS = {
    # On every page.
    "skip_to_content": "本文へ移動",
    "language": "言語",
    "contact_support": "サポートに問い合わせる",
    "use_light_theme": "ライトテーマに切り替える",
    "use_dark_theme": "ダークテーマに切り替える",
    "dismiss": "閉じる",
    "cancel": "キャンセル",
    "go_to_sign_in": "ログイン画面へ",
    "go_to_account": "アカウントへ",
    "fix_one": "1か所を修正してください。",
    "fix_other": "{n}か所を修正してください。",
    # Lengths of time.
    "second_one": "{n}秒",
    "second_other": "{n}秒",
    "minute_one": "{n}分",
    "minute_other": "{n}分",
    "hour_one": "{n}時間",
    "hour_other": "{n}時間",
    "day_one": "{n}日",
    "day_other": "{n}日",
    # Fields.
    "email": "メールアドレス",
    "name": "お名前",
    "password": "パスワード",
    "new_password": "新しいパスワード",
    "confirm_password": "パスワードの確認",
    "show_password": "パスワードを表示",
    "show_new_password": "新しいパスワードを表示",
    "show_confirm_password": "確認用パスワードを表示",
    "password_hint": (
        "{n}文字以上で入力してください。無作為に選んだ単語をいくつか並べるのがおすすめです。よく使われるパスワ"
        "ードは登録できません。"
    ),
    "characters_needed_one": "あと{n}文字必要です。",
    "characters_needed_other": "あと{n}文字必要です。",
    "long_enough": "十分な長さです。",
    "passwords_differ": "パスワードが一致しません。",
    # Sign in.
    "sign_in": "ログイン",
    "forgot_password": "パスワードをお忘れですか？",
    "first_link": (
        "これは新しいサーバーです。所有者が最初にログインするためのリンクは、"
        "サーバーを起動したターミナル、またはデータフォルダーの {file} にあります。"
    ),
    "no_password": "パスワードが未設定の場合やお忘れの場合は、管理者に設定用リンクの発行を依頼してください。",
    "no_password_support": "パスワードが未設定の場合やお忘れの場合は、サポートが設定用リンクをご案内します。",
    "signed_out": "ログアウトしました。",
    "session_expired": "セッションの有効期限が切れました。続けるには、もう一度ログインしてください。",
    "password_is_set": "パスワードを設定しました。",
    # Forgot password.
    "forgot_title": "パスワードをお忘れですか？",
    "forgot_lead": (
        "メールアドレスを入力してください。アカウントが登録されている場合は、新しいパスワードを設定するためのリ"
        "ンクをお送りします。"
    ),
    "send_link": "リンクを送信",
    "check_email": "メールをご確認ください",
    "link_sent": (
        "{email} のアカウントが登録されている場合は、まもなくリンクが届きます。リンクは1回限り、{time}有効です。"
    ),
    "nothing_arrived": (
        "数分たっても届かない場合は、迷惑メールフォルダーとメールアドレスの入力内容をご確認のうえ、もう一度お試"
        "しください。"
    ),
    "try_again": "もう一度試す",
    # Set a password, accept an invitation.
    "set_password_title": "パスワードの設定",
    "set_password": "パスワードを設定",
    "set_password_and_sign_in": "パスワードを設定してログイン",
    "invitation_title": "{brand}へようこそ",
    "invitation_lead": "招待が届いています。パスワードを設定すると、アカウントをご利用いただけます。",
    "accept_invitation": "招待を承認",
    "revoke_keys": "自分のAPIキーを無効にする",
    "revoke_keys_hint": (
        "以前のパスワードを知っていた人がAPIキーを作成した可能性があります。お使いのキーを利用しているアプリケ"
        "ーションは動作しなくなります。"
    ),
    "link_works_once": (
        "このリンクは1回だけ使えます。パスワードを設定すると、ほかのブラウザーからはログアウトされます。"
    ),
    "continue_at": "その後、{host} に移動します。",
    "other_account": "現在 {email} としてログインしていますが、このリンクは {other} 用です。",
    "other_account_switches": (
        "パスワードを設定すると、現在のアカウントからログアウトし、リンクのアカウントでログインします。"
    ),
    "other_account_stays": "パスワードを設定しても、現在のログイン状態は変わりません。",
    # Confirm an email.
    "confirm_email_title": "メールアドレスの確認",
    "confirm_email_lead": "{email} がご自身のアドレスであることを確認するには、ボタンを押してください。",
    "change_email_title": "新しいメールアドレスの確認",
    "change_email_lead": "今後は {old} の代わりに {email} でログインします。",
    "confirm_email": "メールアドレスを確認",
    "email_confirmed_title": "メールアドレスを確認しました",
    "email_confirmed": "ありがとうございます。{email} を確認しました。このページは閉じてかまいません。",
    "not_me_lead": (
        "登録した覚えがない場合は、ほかの人があなたのアドレスを使っています。"
        "「私ではありません」を選ぶと、このアカウントのパスワード、2要素認証、APIキー、セッションがすべて終了します。"
    ),
    "not_me": "私ではありません",
    "disowned_title": "このアカウントはもう使えなくなりました",
    "disowned": (
        "アカウント{email}のパスワード、2要素認証、APIキー、セッション、リンクを終了しました。"
        "このページは閉じてかまいません。"
    ),
    # Sign in with a link.
    "sign_in_link_title": "このリンクでログイン",
    "sign_in_link_lead": "{email} としてログインするには、ボタンを押してください。",
    # The second factor.
    "continue": "続ける",
    "second_step_title": "本人確認",
    "second_step_lead": "アカウント {email} には 2 要素認証が設定されています。",
    "second_step_password": "このアカウントには 2 要素認証が設定されています。新しいパスワードの設定にも必要です。",
    "use_passkey": "パスキーを使用",
    "sign_in_with_passkey": "パスキーでログイン",
    "or": "または",
    "code": "コード",
    "code_hint": "認証アプリのコード、または回復コードを入力してください。",
    "recovery_code": "回復コード",
    "recovery_code_hint": "パスキーの設定時に保存したコードです。それぞれ 1 回だけ使用できます。",
    "passkey_failed": (
        "パスキーを使用できませんでした。キャンセルされたか、時間がかかりすぎたか、この端末にこのアカ"
        "ウントのパスキーがありません。もう一度お試しください。"
    ),
    "passkey_not_made": (
        "パスキーを作成できませんでした。キャンセルされたか、時間がかかりすぎました。もう一度お試しください。"
    ),
    "passkey_known": "この端末には、このアカウントのパスキーがすでにあります。",
    "factor_lost": "端末と回復コードをなくされた場合は、管理者に 2 要素認証の解除を依頼してください。",
    "factor_lost_support": "端末と回復コードをなくされた場合は、サポートが 2 要素認証を解除できます。",
    "other_person": "別のアカウントでログイン",
    "sign_in_expired": "ログインに時間がかかりすぎました。もう一度ログインしてください。",
    "confirm_password_title": "パスワードの確認",
    "confirm_password_lead": "続けるには、安全のためパスワードを確認してください。その後 10 分間は再度求められません。",
    "confirm_factor_lead": "続けるには、安全のため本人確認を行ってください。その後 10 分間は再度求められません。",
    # A link that doesn't work.
    "link_dead_title": "このリンクは無効です",
    "link_unknown": (
        "リンクは1回限りで、有効期限があります。新しいリンクの発行、パスワードの変更、アカウントの停止によって"
        "も無効になります。リンク全体が正しくコピーされているかご確認ください。"
    ),
    "ask_for_new_link": "新しいリンクの発行は管理者に依頼してください。",
    "ask_support_for_new_link": "新しいリンクはサポートがご案内します。",
    "request_new_link": "新しいリンクを申請",
    "if_you_run_this_server": (
        "このサーバーを運用している場合は、ご自身のメールアドレスを指定して {command} を実行してください。"
    ),
    # Delete one's own account.
    "delete_title": "アカウントの削除",
    "delete_lead": "すべての端末からログアウトされ、APIキーはただちに使えなくなります。",
    "delete_restorable": "{time}以内であれば復元できます。その後、データは完全に消去されます。",
    "delete_for_good": "データは完全に消去されます。",
    "delete_account": "アカウントを削除する",
    "deleted_title": "アカウントを削除しました",
    "deleted_restorable": "取り消したい場合は、{time}以内であれば管理者が復元できます。",
    "deleted_restorable_support": "取り消したい場合は、{time}以内であればサポートが復元できます。",
    "show_key": "APIキーを表示",
    "show_webhook": "Webhookを表示",
    "stop_email_change": "変更を中止",
    "stop_email_title": "メールアドレスの変更を中止しますか？",
    "stop_email_lead": (
        "アカウント{email}のメールアドレスの変更が申請されました。ボタンを押すと、現在のアドレスのままになります。"
    ),
    "stop_email_done_title": "変更を中止しました",
    "stop_email_done": "アカウントのメールアドレスは引き続き{email}です。",
    "stop_email_advice": (
        "お心当たりがない場合は、パスワードが知られている可能性があります。新しいパスワードを設定してください。"
    ),
    "stop_email_over_title": "中止できる変更はありません",
    "stop_email_over": "すでに中止されたか、期限が切れたか、変更が完了しています。",
    "stop_email_over_help": "お心当たりのない変更が完了している場合は、すぐに管理者までご連絡ください。",
    "stop_email_over_help_support": "お心当たりのない変更が完了している場合は、すぐにサポートまでご連絡ください。",
    # Mails.
    "mail_greeting": "{name} 様",
    "mail_greeting_plain": "こんにちは。",
    "mail_link_hint": "ボタンが機能しない場合は、次のアドレスを開いてください。",
    "mail_link_expires": "このリンクは{expires}まで、1回だけ有効です。",
    "mail_ignore": "お心当たりがない場合は、このメールを無視してください。何も変更されません。",
    "mail_not_you": ("お心当たりがない場合は、すぐに新しいパスワードを設定し、{brand}までご連絡ください。"),
    "mail_not_me": (
        "登録した覚えがない場合は、ほかの人があなたのアドレスを使っています。"
        "リンクを開いて「私ではありません」を選んでください。"
        "アカウントのパスワード、2要素認証、APIキー、セッションがすべて終了します。"
    ),
    "mail_contact": "お心当たりがない場合は、すぐに{brand}までご連絡ください。",
    "mail_time": "日時",
    "mail_browser": "ブラウザー",
    "mail_address": "IPアドレス",
    "mail_account": "アカウント",
    "mail_name": "名前",
    "mail_key": "APIキー",
    "mail_not_your_key": (
        "このキーにお心当たりがない場合は、すぐにキーを無効にし、新しいパスワードを設定して、"
        "{brand}までご連絡ください。"
    ),
    "mail_by": "実行者",
    "mail_by_command_line": "サーバーのコマンドライン",
    "mail_webhook": "Webhook",
    "mail_invitation_subject": "{brand}への招待",
    "mail_invitation_text": ("{email}のアカウントが作成されました。パスワードを設定すると、ご利用いただけます。"),
    "mail_password_reset_subject": "{brand}の新しいパスワードの設定",
    "mail_password_reset_text": (
        "{email}の新しいパスワードが要求されました。ご本人の場合は、こちらで設定してください。"
    ),
    "mail_email_confirmation_subject": "{brand}のメールアドレスの確認",
    "mail_email_confirmation_text": "{email}がご自分のメールアドレスであることをご確認ください。",
    "mail_email_change_subject": "{brand}の新しいメールアドレスの確認",
    "mail_email_change_text": "{email}がアカウントの新しいメールアドレスであることをご確認ください。",
    "mail_sign_in_link_subject": "{brand}へのログイン",
    "mail_sign_in_link_text": (
        "このリンクから{email}としてログインできます。リンクを開いた人は誰でもログインできるため、"
        "他の人に渡さないでください。"
    ),
    "mail_email_changed_subject": "{brand}のメールアドレスが変更されました",
    "mail_email_changed_text": (
        "{email}はアカウントのメールアドレスではなくなりました。今後のメールは新しいアドレスに送信されます。"
    ),
    "mail_new_device_subject": "{brand}への新しいログイン",
    "mail_new_device_text": ("これまで使われたことのないブラウザーから、アカウント{email}へのログインがありました。"),
    "mail_key_created_subject": "{brand}の新しいAPIキー",
    "mail_key_created_text": "アカウント{email}のAPIキーが作成されました。",
    "mail_key_expiring_subject": "{brand}のAPIキーの有効期限が近づいています",
    "mail_key_expiring_text": (
        "APIキー「{key}」は{expires}まで有効です。それまでに新しいキーを作成し、切り替えてください。"
    ),
    "mail_webhook_disabled_subject": "{brand}のWebhookが無効になりました",
    "mail_webhook_disabled_text": (
        "Webhook {webhook}への送信は停止しています。イベントは保存されており、再開すると送信されます。"
    ),
    "mail_webhook_failing": "5日間、配信が1回も成功していません。",
    "mail_webhook_gone": "受信側から、すでに存在しないという応答（410）がありました。",
    "mail_webhook_rights": "所有者または設定した人が、このWebhookの権限を失いました。",
    "mail_second_factor_removed_subject": "{brand}の2要素認証が解除されました",
    "mail_second_factor_removed_text": (
        "アカウント{email}の2要素認証の要素が1つ削除されました。次回のログイン時に新しく設定できます。"
    ),
    "mail_guesses_exhausted_subject": "{brand}のアカウントへのログインが何度も失敗しました",
    "mail_guesses_exhausted_text": (
        "アカウント{email}に対して、誤ったパスワードまたはコードが100回続けて入力されました。アカウントを保護する"
        "ため、以前にログインしたことのあるブラウザー、パスキー、回復コードのいずれかでログインするまで、こ"
        "れら以外は使えません。ログインできない場合は、新しいパスワードを設定するか、{brand}にお問い合わせくださ"
        "い。"
    ),
    "mail_email_change_requested_subject": "{brand}のメールアドレスの変更が申請されました",
    "mail_email_change_requested_text": (
        "アカウント{email}を別のメールアドレスに変更する申請がありました。ご本人による場合は、"
        "何もする必要はありません。お心当たりがない場合は、このリンクで中止してください。"
    ),
    "mail_password_changed_subject": "{brand}のパスワードが変更されました",
    "mail_password_changed_text": "アカウント{email}に新しいパスワードが設定されました。",
    "mail_second_factor_added_subject": "{brand}の2要素認証の要素が追加されました",
    "mail_second_factor_added_text": (
        "アカウント{email}に2要素認証の要素が追加されました。今後、ログイン時に確認が必要です。"
    ),
    "mail_recovery_codes_created_subject": "{brand}の新しい回復コード",
    "mail_recovery_codes_created_text": (
        "アカウント{email}に新しい回復コードが作成されました。以前のコードは使えません。"
    ),
    "mail_test_subject": "{brand}からのテストメール",
    "mail_test_text": "このメールは、メールの設定を確認するために送信されました。設定は正しく機能しています。",
    # Error pages.
    "title_400": "無効なリクエストです",
    "title_401": "ログインしてください",
    "title_403": "アクセスできません",
    "title_404": "ページが見つかりません",
    "title_405": "許可されていません",
    "title_408": "タイムアウトしました",
    "title_413": "データが大きすぎます",
    "title_429": "リクエストが多すぎます",
    "title_503": "一時的にご利用いただけません",
    "title_other": "問題が発生しました",
    "advice_form": "ページを開き直し、そのフォームをご利用ください。",
    "advice_link": "アドレスをご確認いただくか、ログイン画面に移動してください。",
    "advice_wait": "しばらく待ってから、もう一度お試しください。",
    "advice_other": "もう一度お試しください。問題が続く場合は、下のリクエストIDを添えてお知らせください。",
    "request_id": "リクエストID",
    # What can be wrong. The English sentences are those that actions raise, by which the others are found.
    "error_retry": "{what}{time}後にもう一度お試しください。",
    "error_wrong_password": "メールアドレスまたはパスワードが正しくありません。",
    "error_own_password": "パスワードが正しくありません。",
    "error_wrong_code": "コードが正しくないか、すでに使用されています。",
    "error_guesses_passwords": (
        "誤ったパスワードが何度も入力されました。"
        "新しいパスワードを設定するか、以前にログインしたことのあるブラウザーを使ってください。"
    ),
    "error_guesses_codes": (
        "誤ったコードが何度も入力されました。"
        "回復コード、パスキー、または以前にログインしたことのあるブラウザーを使ってください。"
    ),
    "error_code_required": "2 要素認証のコードを入力してください。",
    "error_passkey": "このパスキーは受け付けられませんでした。ページを再読み込みして、もう一度お試しください。",
    "error_attempts": "試行回数が上限を超えました。",
    "error_rate_limit": "短時間のリクエストが多すぎます。",
    "error_suspended": "このアカウントは停止されています。管理者にお問い合わせください。",
    "error_role": "このアカウントではここにログインできません。",
    "error_foreign_form": (
        "このフォームは別のサイトから送信されました。このサーバーのページを開き、もう一度送信してください。"
    ),
    "error_busy": "サーバーが混み合っています。しばらくしてからもう一度お試しください。",
    "error_unavailable": "サービスは一時的にご利用いただけません。",
    "error_storage": "現在、データを保存できません。変更は行われていません。",
    "error_limits": "現在、リクエストを処理できません。何も実行されていません。",
    "error_stopping": "サーバーは停止処理中です。",
    "error_not_found": "お探しのものは見つかりませんでした。",
    "error_too_large": "送信されたデータが大きすぎます。",
    "error_too_slow": "リクエストの受信に時間がかかりすぎました。",
    "error_unexpected": "サーバーで予期しないエラーが発生しました。",
    "error_last_owner": "最後のオーナーは削除できません。",
    "error_no_deletion": "このアカウントはここでは削除できません。",
    "error_email_taken": "このメールアドレスはすでに使用されています。",
    "error_email_long": "メールアドレスが長すぎます。",
    "error_email": "メールアドレスの形式が正しくありません。",
    "error_name_blank": "お名前が入力されていません。",
    "error_name_long": "お名前は{n}文字以内で入力してください。",
    "error_name_controls": "お名前に制御文字または改行が含まれています。",
    "error_password_short": "パスワードは{n}文字以上で入力してください。",
    "error_password_long": "パスワードは{n}文字以内で入力してください。",
    "error_password_empty": "パスワードを入力してください。",
    "error_password_surrogate": "パスワードに使用できない文字が含まれています。",
    "error_password_is_email": "パスワードがメールアドレスと同じです。",
    "error_password_is_name": "パスワードがお名前と同じです。",
    "error_password_common": "よく使われるパスワードのため、簡単に推測されてしまいます。",
    "error_password_word": "一般的な単語に数字や記号を加えただけのパスワードのため、簡単に推測されてしまいます。",
    "error_password_about_user": (
        "お名前、メールアドレス、またはこのサーバーの名前から作られたパスワードのため、簡単に推測されてしまいます。"
    ),
    "error_password_repeats": "同じ文字の繰り返しのため、簡単に推測されてしまいます。",
    "error_password_breached": "このパスワードは過去に流出したデータに含まれています。別のパスワードを選んでください。",
    "error_password_hash": "パスワードのハッシュ値は使用できません。別のパスワードを選んでください。",
}
