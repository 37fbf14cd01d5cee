"""German. Formal: Sie."""

from __future__ import annotations

TEXTS = {
    # On every page.
    "skip_to_content": "Zum Inhalt springen",
    "language": "Sprache",
    "contact_support": "Support kontaktieren",
    "use_light_theme": "Helles Design verwenden",
    "use_dark_theme": "Dunkles Design verwenden",
    "dismiss": "Ausblenden",
    "cancel": "Abbrechen",
    "go_to_sign_in": "Zur Anmeldung",
    "go_to_account": "Zu Ihrem Konto",
    "fix_one": "Bitte korrigieren Sie ein Feld.",
    "fix_other": "Bitte korrigieren Sie {n} Felder.",
    # Lengths of time.
    "second_one": "{n} Sekunde",
    "second_other": "{n} Sekunden",
    "minute_one": "{n} Minute",
    "minute_other": "{n} Minuten",
    "hour_one": "{n} Stunde",
    "hour_other": "{n} Stunden",
    "day_one": "{n} Tag",
    "day_other": "{n} Tage",
    # Fields.
    "email": "E-Mail-Adresse",
    "name": "Name",
    "password": "Passwort",
    "new_password": "Neues Passwort",
    "confirm_password": "Passwort bestätigen",
    "show_password": "Passwort anzeigen",
    "show_new_password": "Neues Passwort anzeigen",
    "show_confirm_password": "Bestätigung des Passworts anzeigen",
    "password_hint": (
        "Mindestens {n} Zeichen. Gut geeignet sind einige zufällige Wörter; häufige Passwörter werden abgelehnt."
    ),
    "characters_needed_one": "Noch {n} Zeichen nötig.",
    "characters_needed_other": "Noch {n} Zeichen nötig.",
    "long_enough": "Lang genug.",
    "passwords_differ": "Die Passwörter stimmen nicht überein.",
    # Sign in.
    "sign_in": "Anmelden",
    "forgot_password": "Passwort vergessen?",
    "first_link": (
        "Dieser Server ist neu: Der Link, mit dem sich der Eigentümer zum ersten Mal anmeldet, steht im "
        "Terminal, in dem er gestartet wurde, oder in {file} in seinem Datenordner."
    ),
    "no_password": (
        "Noch kein Passwort, oder vergessen? Bitten Sie einen Administrator um einen Link, mit dem Sie ein "
        "neues festlegen können."
    ),
    "no_password_support": (
        "Noch kein Passwort, oder vergessen? Vom Support erhalten Sie einen Link, mit dem Sie ein neues "
        "festlegen können."
    ),
    "signed_out": "Sie haben sich abgemeldet.",
    "session_expired": "Ihre Sitzung ist abgelaufen. Bitte melden Sie sich erneut an.",
    "password_is_set": "Ihr Passwort ist festgelegt.",
    # Forgot password.
    "forgot_title": "Passwort vergessen?",
    "forgot_lead": (
        "Geben Sie Ihre E-Mail-Adresse ein. Wenn sie zu einem Konto gehört, senden wir Ihnen einen Link, mit "
        "dem Sie ein neues Passwort festlegen können."
    ),
    "send_link": "Link senden",
    "check_email": "Prüfen Sie Ihre E-Mails",
    "link_sent": "Wenn {email} zu einem Konto gehört, ist ein Link unterwegs. Er funktioniert einmal und gilt {time}.",
    "nothing_arrived": (
        "Nach einigen Minuten nichts angekommen? Sehen Sie im Spam-Ordner nach, prüfen Sie die Schreibweise "
        "der Adresse und versuchen Sie es noch einmal."
    ),
    "try_again": "Noch einmal versuchen",
    # Set a password, accept an invitation.
    "set_password_title": "Passwort festlegen",
    "set_password": "Passwort festlegen",
    "set_password_and_sign_in": "Passwort festlegen und anmelden",
    "invitation_title": "Willkommen bei {brand}",
    "invitation_lead": "Sie wurden eingeladen. Wählen Sie ein Passwort, dann ist Ihr Konto bereit.",
    "accept_invitation": "Einladung annehmen",
    "revoke_keys": "Meine API-Schlüssel widerrufen",
    "revoke_keys_hint": (
        "Wer Ihr altes Passwort kannte, könnte welche erstellt haben. Anwendungen, die Ihre Schlüssel "
        "verwenden, funktionieren dann nicht mehr."
    ),
    "link_works_once": (
        "Dieser Link funktioniert einmal. Mit dem neuen Passwort werden Sie in allen anderen Browsern abgemeldet."
    ),
    "continue_at": "Danach geht es auf {host} weiter.",
    "other_account": "Sie sind als {email} angemeldet, aber dieser Link gehört zu {other}.",
    "other_account_switches": (
        "Wenn Sie das Passwort festlegen, werden Sie vom ersten Konto abgemeldet und beim zweiten angemeldet."
    ),
    "other_account_stays": "Wenn Sie das Passwort festlegen, bleiben Sie angemeldet wie bisher.",
    # Confirm an email.
    "confirm_email_title": "E-Mail-Adresse bestätigen",
    "confirm_email_lead": "Bestätigen Sie mit der Schaltfläche, dass {email} Ihre Adresse ist.",
    "change_email_title": "Neue E-Mail-Adresse bestätigen",
    "change_email_lead": "Danach melden Sie sich mit {email} statt mit {old} an.",
    "confirm_email": "E-Mail-Adresse bestätigen",
    "email_confirmed_title": "Ihre E-Mail-Adresse ist bestätigt",
    "email_confirmed": "Vielen Dank. {email} ist bestätigt. Sie können diese Seite schließen.",
    "not_me_lead": (
        "Sie haben sich nicht registriert? Dann hat jemand anderes Ihre Adresse verwendet. „Das war ich nicht“ "
        "beendet Passwort, zweite Faktoren, API-Schlüssel und Sitzungen dieses Kontos."
    ),
    "not_me": "Das war ich nicht",
    "disowned_title": "Das Konto ist für andere geschlossen",
    "disowned": (
        "Passwort, zweite Faktoren, API-Schlüssel, Sitzungen und Links des Kontos {email} sind beendet. Sie "
        "können diese Seite schließen."
    ),
    # Sign in with a link.
    "sign_in_link_title": "Mit diesem Link anmelden",
    "sign_in_link_lead": "Melden Sie sich mit der Schaltfläche als {email} an.",
    # The second factor.
    "continue": "Weiter",
    "second_step_title": "Bestätigen Sie, dass Sie es sind",
    "second_step_lead": "Ihr Konto {email} hat einen zweiten Faktor.",
    "second_step_password": "Ihr Konto hat einen zweiten Faktor, der auch für ein neues Passwort nötig ist.",
    "use_passkey": "Passkey verwenden",
    "sign_in_with_passkey": "Mit einem Passkey anmelden",
    "or": "oder",
    "code": "Code",
    "code_hint": "Aus Ihrer Authenticator-App, oder ein Wiederherstellungscode.",
    "recovery_code": "Wiederherstellungscode",
    "recovery_code_hint": (
        "Einer von denen, die Sie beim Einrichten Ihres Passkeys gespeichert haben. Jeder gilt einmal."
    ),
    "passkey_failed": (
        "Es wurde kein Passkey verwendet: Der Vorgang wurde abgebrochen, hat zu lange gedauert, oder dieses "
        "Gerät hat keinen für Ihr Konto. Bitte versuchen Sie es erneut."
    ),
    "passkey_not_made": (
        "Es wurde kein Passkey erstellt: Der Vorgang wurde abgebrochen oder hat zu lange gedauert. Bitte "
        "versuchen Sie es erneut."
    ),
    "passkey_known": "Dieses Gerät hat bereits einen Passkey für Ihr Konto.",
    "factor_lost": (
        "Gerät und Wiederherstellungscodes verloren? Bitten Sie einen Administrator, Ihren zweiten Faktor aufzuheben."
    ),
    "factor_lost_support": (
        "Gerät und Wiederherstellungscodes verloren? Der Support kann Ihren zweiten Faktor aufheben."
    ),
    "other_person": "Als jemand anderes anmelden",
    "sign_in_expired": "Ihre Anmeldung hat zu lange gedauert. Bitte melden Sie sich erneut an.",
    "confirm_password_title": "Bestätigen Sie Ihr Passwort",
    "confirm_password_lead": (
        "Bitte bestätigen Sie zu Ihrer Sicherheit Ihr Passwort. Danach werden Sie 10 Minuten lang nicht erneut gefragt."
    ),
    "confirm_factor_lead": (
        "Bitte bestätigen Sie zu Ihrer Sicherheit, dass Sie es sind. Danach werden Sie 10 Minuten lang nicht "
        "erneut gefragt."
    ),
    # A link that doesn't work.
    "link_dead_title": "Dieser Link ist nicht mehr gültig",
    "link_unknown": (
        "Links funktionieren einmal und nur für begrenzte Zeit. Auch ein neuerer Link, ein geändertes Passwort "
        "oder eine Sperrung des Kontos macht sie ungültig. Prüfen Sie, ob Sie den ganzen Link kopiert haben."
    ),
    "ask_for_new_link": "Bitten Sie einen Administrator um einen neuen.",
    "ask_support_for_new_link": "Vom Support erhalten Sie einen neuen.",
    "request_new_link": "Neuen Link anfordern",
    "if_you_run_this_server": "Wenn Sie diesen Server betreiben, verwenden Sie {command} mit Ihrer E-Mail-Adresse.",
    # Delete one's own account.
    "delete_title": "Konto löschen",
    "delete_lead": "Sie werden überall abgemeldet, und Ihre API-Schlüssel funktionieren sofort nicht mehr.",
    "delete_restorable": (
        "Es kann noch {time} lang wiederhergestellt werden. Danach werden Ihre Daten endgültig gelöscht."
    ),
    "delete_for_good": "Ihre Daten werden endgültig gelöscht.",
    "delete_account": "Mein Konto löschen",
    "deleted_title": "Ihr Konto ist gelöscht",
    "deleted_restorable": (
        "Haben Sie es sich anders überlegt? Ein Administrator kann es noch {time} lang wiederherstellen."
    ),
    "deleted_restorable_support": (
        "Haben Sie es sich anders überlegt? Der Support kann es noch {time} lang wiederherstellen."
    ),
    "show_key": "API-Schlüssel anzeigen",
    "show_webhook": "Webhook anzeigen",
    "stop_email_change": "Änderung stoppen",
    "stop_email_title": "Änderung der E-Mail-Adresse stoppen?",
    "stop_email_lead": (
        "Jemand möchte die E-Mail-Adresse des Kontos {email} ändern. Wenn Sie auf die Schaltfläche klicken, "
        "bleibt sie, wie sie ist."
    ),
    "stop_email_done_title": "Die Änderung wurde gestoppt",
    "stop_email_done": "{email} ist weiterhin die E-Mail-Adresse Ihres Kontos.",
    "stop_email_advice": (
        "Falls Sie sie nicht veranlasst haben, kennt vielleicht jemand Ihr Passwort: Legen Sie ein neues fest."
    ),
    "stop_email_over_title": "Es gibt keine Änderung zu stoppen",
    "stop_email_over": "Sie wurde bereits gestoppt, ist abgelaufen oder wurde ausgeführt.",
    "stop_email_over_help": (
        "Falls sie ausgeführt wurde und Sie das nicht waren, wenden Sie sich sofort an einen Administrator."
    ),
    "stop_email_over_help_support": (
        "Falls sie ausgeführt wurde und Sie das nicht waren, wenden Sie sich sofort an den Support."
    ),
    # Mails.
    "mail_greeting": "Guten Tag {name},",
    "mail_greeting_plain": "Guten Tag,",
    "mail_link_hint": "Falls die Schaltfläche nicht funktioniert, öffnen Sie diese Adresse:",
    "mail_link_expires": "Der Link funktioniert einmal, bis {expires}.",
    "mail_ignore": "Falls Sie diese E-Mail nicht erwartet haben, können Sie sie ignorieren. Es ändert sich nichts.",
    "mail_not_you": (
        "Falls Sie das nicht waren, legen Sie sofort ein neues Passwort fest und wenden Sie sich an {brand}."
    ),
    "mail_not_me": (
        "Falls Sie sich nicht registriert haben, hat jemand anderes Ihre Adresse verwendet: Öffnen Sie den Link "
        "und wählen Sie „Das war ich nicht“. Das beendet Passwort, zweite Faktoren, API-Schlüssel und Sitzungen "
        "des Kontos."
    ),
    "mail_contact": "Falls Sie das nicht waren, wenden Sie sich sofort an {brand}.",
    "mail_time": "Zeit",
    "mail_browser": "Browser",
    "mail_address": "IP-Adresse",
    "mail_account": "Konto",
    "mail_name": "Name",
    "mail_key": "API-Schlüssel",
    "mail_not_your_key": (
        "Falls Sie diesen Schlüssel nicht kennen, widerrufen Sie ihn sofort, legen Sie ein neues Passwort fest "
        "und wenden Sie sich an {brand}."
    ),
    "mail_by": "Von",
    "mail_by_command_line": "Befehlszeile des Servers",
    "mail_webhook": "Webhook",
    "mail_invitation_subject": "Ihre Einladung zu {brand}",
    "mail_invitation_text": (
        "Für {email} wurde ein Konto angelegt. Wählen Sie ein Passwort, dann ist es einsatzbereit."
    ),
    "mail_password_reset_subject": "Neues Passwort für {brand} festlegen",
    "mail_password_reset_text": (
        "Jemand hat ein neues Passwort für {email} angefordert. Wenn Sie das waren, legen Sie es hier fest."
    ),
    "mail_email_confirmation_subject": "Bestätigen Sie Ihre E-Mail-Adresse für {brand}",
    "mail_email_confirmation_text": "Bitte bestätigen Sie, dass {email} Ihre E-Mail-Adresse ist.",
    "mail_email_change_subject": "Bestätigen Sie Ihre neue E-Mail-Adresse für {brand}",
    "mail_email_change_text": "Bitte bestätigen Sie, dass {email} die neue E-Mail-Adresse Ihres Kontos ist.",
    "mail_sign_in_link_subject": "Bei {brand} anmelden",
    "mail_sign_in_link_text": (
        "Mit diesem Link melden Sie sich als {email} an. Geben Sie ihn nicht weiter: Wer ihn öffnet, ist "
        "als Sie angemeldet."
    ),
    "mail_email_changed_subject": "Ihre E-Mail-Adresse für {brand} wurde geändert",
    "mail_email_changed_text": (
        "{email} ist nicht mehr die E-Mail-Adresse Ihres Kontos. Unsere E-Mails gehen ab jetzt an die neue Adresse."
    ),
    "mail_new_device_subject": "Neue Anmeldung bei {brand}",
    "mail_new_device_text": (
        "Jemand hat sich bei Ihrem Konto {email} mit einem Browser angemeldet, der dafür bisher nicht benutzt wurde."
    ),
    "mail_key_created_subject": "Neuer API-Schlüssel für {brand}",
    "mail_key_created_text": "Für Ihr Konto {email} wurde ein API-Schlüssel erstellt.",
    "mail_key_expiring_subject": "Ihr API-Schlüssel für {brand} läuft bald ab",
    "mail_key_expiring_text": (
        "Der API-Schlüssel „{key}“ gilt bis {expires}. Erstellen Sie vorher einen neuen und verwenden Sie diesen."
    ),
    "mail_webhook_disabled_subject": "Ihr Webhook von {brand} ist deaktiviert",
    "mail_webhook_disabled_text": (
        "An Ihren Webhook {webhook} wird nichts mehr gesendet. Ereignisse bleiben erhalten und werden gesendet, "
        "sobald Sie ihn fortsetzen."
    ),
    "mail_webhook_failing": "Seit fünf Tagen war keine Zustellung erfolgreich.",
    "mail_webhook_gone": "Der Empfänger hat geantwortet, dass es ihn nicht mehr gibt (410).",
    "mail_webhook_rights": "Wem er gehört oder wer ihn eingerichtet hat, hat das Recht dazu verloren.",
    "mail_second_factor_removed_subject": "Ihr zweiter Faktor für {brand} wurde entfernt",
    "mail_second_factor_removed_text": (
        "Ein zweiter Faktor Ihres Kontos {email} wurde entfernt. Sie können bei der nächsten Anmeldung einen "
        "neuen einrichten."
    ),
    "mail_guesses_exhausted_subject": "Viele fehlgeschlagene Anmeldungen bei Ihrem Konto von {brand}",
    "mail_guesses_exhausted_text": (
        "Für Ihr Konto {email} wurden 100-mal nacheinander falsche Passwörter oder Codes eingegeben. Zu seinem "
        "Schutz funktionieren nun nur noch Browser, in denen Sie sich schon angemeldet haben, Passkeys und "
        "Wiederherstellungscodes, bis Sie sich damit anmelden. Falls Sie das nicht können, legen Sie ein neues "
        "Passwort fest oder wenden Sie sich an {brand}."
    ),
    "mail_email_change_requested_subject": "Ihre E-Mail-Adresse für {brand} soll geändert werden",
    "mail_email_change_requested_text": (
        "Jemand möchte Ihrem Konto {email} eine andere E-Mail-Adresse geben. Wenn Sie das waren, müssen Sie hier "
        "nichts tun. Andernfalls stoppen Sie die Änderung mit diesem Link."
    ),
    "mail_password_changed_subject": "Ihr Passwort für {brand} wurde geändert",
    "mail_password_changed_text": "Für Ihr Konto {email} wurde ein neues Passwort festgelegt.",
    "mail_second_factor_added_subject": "Ein zweiter Faktor für {brand} wurde hinzugefügt",
    "mail_second_factor_added_text": (
        "Ihrem Konto {email} wurde ein zweiter Faktor hinzugefügt. Von nun an wird er bei der Anmeldung verlangt."
    ),
    "mail_recovery_codes_created_subject": "Neue Wiederherstellungscodes für {brand}",
    "mail_recovery_codes_created_text": (
        "Für Ihr Konto {email} wurden neue Wiederherstellungscodes erstellt. Die bisherigen funktionieren nicht mehr."
    ),
    "mail_test_subject": "Test-E-Mail von {brand}",
    "mail_test_text": "Mit dieser E-Mail wurden die E-Mail-Einstellungen ausprobiert. Sie funktionieren.",
    # Error pages.
    "title_400": "Ungültige Anfrage",
    "title_401": "Bitte melden Sie sich an",
    "title_403": "Kein Zugriff",
    "title_404": "Seite nicht gefunden",
    "title_405": "Nicht erlaubt",
    "title_408": "Zeitüberschreitung",
    "title_413": "Zu viele Daten",
    "title_429": "Zu viele Anfragen",
    "title_503": "Vorübergehend nicht verfügbar",
    "title_other": "Etwas ist schiefgelaufen",
    "advice_form": "Öffnen Sie die Seite erneut und verwenden Sie ihr Formular.",
    "advice_link": "Prüfen Sie die Adresse, oder gehen Sie zur Anmeldung.",
    "advice_wait": "Warten Sie einen Moment, und versuchen Sie es dann noch einmal.",
    "advice_other": "Versuchen Sie es noch einmal. Wenn es wieder geschieht, melden Sie es mit der Anfrage-ID unten.",
    "request_id": "Anfrage-ID",
    # What can be wrong. The English sentences are those that actions raise, by which the others are found.
    "error_retry": "{what} Versuchen Sie es in {time} erneut.",
    "error_wrong_password": "E-Mail-Adresse oder Passwort ist falsch.",
    "error_own_password": "Falsches Passwort.",
    "error_wrong_code": "Der Code ist falsch oder wurde bereits verwendet.",
    "error_guesses_passwords": (
        "Es wurden zu viele falsche Passwörter eingegeben. Legen Sie ein neues fest oder nehmen Sie einen "
        "Browser, in dem Sie sich schon angemeldet haben."
    ),
    "error_guesses_codes": (
        "Es wurden zu viele falsche Codes eingegeben. Nehmen Sie einen Wiederherstellungscode, einen Passkey "
        "oder einen Browser, in dem Sie sich schon angemeldet haben."
    ),
    "error_code_required": "Bitte geben Sie einen Code des zweiten Faktors ein.",
    "error_passkey": (
        "Dieser Passkey wurde nicht akzeptiert. Bitte laden Sie die Seite neu und versuchen Sie es noch einmal."
    ),
    "error_attempts": "Zu viele Fehlversuche.",
    "error_rate_limit": "Zu viele Anfragen in kurzer Zeit.",
    "error_suspended": "Dieses Konto ist gesperrt. Wenden Sie sich an einen Administrator.",
    "error_role": "Dieses Konto darf sich hier nicht anmelden.",
    "error_foreign_form": (
        "Dieses Formular wurde von einer anderen Website gesendet. Öffnen Sie die Seite auf diesem Server und "
        "senden Sie das Formular noch einmal."
    ),
    "error_busy": "Der Server ist ausgelastet. Versuchen Sie es gleich noch einmal.",
    "error_unavailable": "Der Dienst ist vorübergehend nicht verfügbar.",
    "error_storage": "Im Moment kann nichts gespeichert werden. Es wurde nichts geändert.",
    "error_limits": "Anfragen können im Moment nicht bearbeitet werden. Es wurde nichts getan.",
    "error_stopping": "Der Server wird gerade beendet.",
    "error_not_found": "Hier ist nichts zu finden.",
    "error_too_large": "Es wurden zu viele Daten gesendet.",
    "error_too_slow": "Die Anfrage kam zu langsam an.",
    "error_unexpected": "Auf dem Server ist ein unerwarteter Fehler aufgetreten.",
    "error_last_owner": "Der letzte Eigentümer kann nicht entfernt werden.",
    "error_no_deletion": "Dieses Konto kann hier nicht gelöscht werden.",
    "error_email_taken": "Diese E-Mail-Adresse wird bereits verwendet.",
    "error_email_long": "Die E-Mail-Adresse ist zu lang.",
    "error_email": "Das ist keine gültige E-Mail-Adresse.",
    "error_name_blank": "Der Name fehlt.",
    "error_name_long": "Der Name hat mehr als {n} Zeichen.",
    "error_name_controls": "Der Name enthält ein Steuerzeichen oder einen Zeilenumbruch.",
    "error_password_short": "Das Passwort hat weniger als {n} Zeichen.",
    "error_password_long": "Das Passwort hat mehr als {n} Zeichen.",
    "error_password_empty": "Geben Sie das Passwort ein.",
    "error_password_surrogate": "Das Passwort enthält ein ungültiges Zeichen.",
    "error_password_is_email": "Das Passwort ist dasselbe wie die E-Mail-Adresse.",
    "error_password_is_name": "Das Passwort ist dasselbe wie der Name.",
    "error_password_common": "Das Passwort ist zu verbreitet und leicht zu erraten.",
    "error_password_word": "Das Passwort ist ein gängiges Wort mit Ziffern oder Zeichen und leicht zu erraten.",
    "error_password_about_user": (
        "Das Passwort besteht aus Ihrem Namen, Ihrer E-Mail-Adresse oder dem Namen dieses Servers und ist "
        "leicht zu erraten."
    ),
    "error_password_repeats": "Das Passwort wiederholt wenige Zeichen und ist leicht zu erraten.",
    "error_password_breached": "Das Passwort ist in einem Datenleck aufgetaucht. Wählen Sie ein anderes.",
    "error_password_hash": "Das Passwort ist der Hash eines Passworts. Wählen Sie ein anderes.",
}
