"""English: the texts of the pages and mails that customers see, and of what can go wrong there."""

from __future__ import annotations

TEXTS = {
    # On every page.
    "skip_to_content": "Skip to content",
    "language": "Language",
    "contact_support": "Contact support",
    "use_light_theme": "Use the light theme",
    "use_dark_theme": "Use the dark theme",
    "dismiss": "Dismiss",
    "cancel": "Cancel",
    "go_to_sign_in": "Go to sign-in",
    "go_to_account": "Go to your account",
    "fix_one": "Fix one field below.",
    "fix_other": "Fix {n} fields below.",
    # Lengths of time.
    "second_one": "{n} second",
    "second_other": "{n} seconds",
    "minute_one": "{n} minute",
    "minute_other": "{n} minutes",
    "hour_one": "{n} hour",
    "hour_other": "{n} hours",
    "day_one": "{n} day",
    "day_other": "{n} days",
    # Fields.
    "email": "Email",
    "name": "Name",
    "password": "Password",
    "new_password": "New password",
    "confirm_password": "Confirm password",
    "show_password": "Show password",
    "show_new_password": "Show new password",
    "show_confirm_password": "Show confirm password",
    "password_hint": "At least {n} characters. A few random words work well; common passwords are rejected.",
    "characters_needed_one": "{n} more character needed.",
    "characters_needed_other": "{n} more characters needed.",
    "long_enough": "Long enough.",
    "passwords_differ": "The passwords don’t match.",
    # Sign in.
    "sign_in": "Sign in",
    "forgot_password": "Forgot password?",
    "first_link": (
        "This server is new: the link with which its owner signs in first is in the terminal where it "
        "was started, or in {file} in its data folder."
    ),
    "no_password": "No password yet, or forgot it? Ask an administrator for a setup or password reset link.",
    "no_password_support": "No password yet, or forgot it? Support can give you a link to set a new one.",
    "signed_out": "You’ve signed out.",
    "session_expired": "Your session has expired. Sign in again to continue.",
    "password_is_set": "Your password is set.",
    # Forgot password.
    "forgot_title": "Forgot your password?",
    "forgot_lead": (
        "Enter your email address. If it belongs to an account, we’ll send you a link to set a new password."
    ),
    "send_link": "Send link",
    "check_email": "Check your email",
    "link_sent": "If {email} belongs to an account, a link is on its way. It works once, for {time}.",
    "nothing_arrived": (
        "Nothing after a few minutes? Check your spam folder and the spelling of the address, then try again."
    ),
    "try_again": "Try again",
    # Set a password, accept an invitation.
    "set_password_title": "Set your password",
    "set_password": "Set password",
    "set_password_and_sign_in": "Set password and sign in",
    "invitation_title": "Welcome to {brand}",
    "invitation_lead": "You’ve been invited. Choose a password, and your account is ready.",
    "accept_invitation": "Accept invitation",
    "revoke_keys": "Revoke my API keys",
    "revoke_keys_hint": (
        "Whoever knew your old password may have created some. Applications that use your keys stop working."
    ),
    "link_works_once": "This link works once. Setting a password signs you out of all other browsers.",
    "continue_at": "You then continue at {host}.",
    "other_account": "You’re signed in as {email}, but this link belongs to {other}.",
    "other_account_switches": "Setting the password signs you out of the first account and in to the second.",
    "other_account_stays": "Setting the password leaves you signed in as you are.",
    # Confirm an email.
    "confirm_email_title": "Confirm your email address",
    "confirm_email_lead": "Press the button to confirm that {email} is your address.",
    "change_email_title": "Confirm your new email address",
    "change_email_lead": "From now on you’ll sign in with {email} instead of {old}.",
    "confirm_email": "Confirm email address",
    "email_confirmed_title": "Your email address is confirmed",
    "email_confirmed": "Thank you. {email} is confirmed, and you can close this page.",
    "not_me_lead": (
        "You didn’t sign up? Then someone else used your address. “This was not me” ends the password, second "
        "factors, API keys and sessions of this account."
    ),
    "not_me": "This was not me",
    "disowned_title": "The account is closed to whoever used your address",
    "disowned": (
        "Password, second factors, API keys, sessions and links of the account {email} have ended. You can close "
        "this page."
    ),
    # Sign in with a link.
    "sign_in_link_title": "Sign in with this link",
    "sign_in_link_lead": "Press the button to sign in as {email}.",
    # The second factor.
    "continue": "Continue",
    "second_step_title": "Confirm that it’s you",
    "second_step_lead": "Your account, {email}, has a second factor.",
    "second_step_password": "Your account has a second factor, which a new password needs too.",
    "use_passkey": "Use a passkey",
    "sign_in_with_passkey": "Sign in with a passkey",
    "or": "or",
    "code": "Code",
    "code_hint": "From your authenticator app, or a recovery code.",
    "recovery_code": "Recovery code",
    "recovery_code_hint": "One of those that you saved when you set up your passkey. Each works once.",
    "passkey_failed": (
        "No passkey was used: it was canceled, took too long, or this device has none for your account. Try again."
    ),
    "passkey_not_made": "No passkey was created: it was canceled, or took too long. Try again.",
    "passkey_known": "This device already has a passkey for your account.",
    "factor_lost": "Lost your device and your recovery codes? Ask an administrator to lift your second factor.",
    "factor_lost_support": "Lost your device and your recovery codes? Support can lift your second factor.",
    "other_person": "Sign in as someone else",
    "sign_in_expired": "Your sign-in took too long. Sign in again.",
    "confirm_password_title": "Confirm your password",
    "confirm_password_lead": (
        "For your security, confirm your password to continue. You won’t be asked again for 10 minutes."
    ),
    "confirm_factor_lead": (
        "For your security, confirm that it’s you to continue. You won’t be asked again for 10 minutes."
    ),
    # A link that doesn't work.
    "link_dead_title": "This link is no longer valid",
    "link_unknown": (
        "Links work once and only for a limited time. A newer link, a changed password or a suspended account "
        "ends them, too. Check that you copied the whole link."
    ),
    "ask_for_new_link": "Ask an administrator for a new one.",
    "ask_support_for_new_link": "Support can give you a new one.",
    "request_new_link": "Request a new link",
    "if_you_run_this_server": "If you run this server, use {command} with your email address.",
    # Delete one's own account.
    "delete_title": "Delete your account",
    "delete_lead": "You’ll be signed out everywhere, and your API keys stop working at once.",
    "delete_restorable": "For {time} it can still be restored. After that, your data is erased for good.",
    "delete_for_good": "Your data is erased for good.",
    "delete_account": "Delete my account",
    "deleted_title": "Your account is deleted",
    "deleted_restorable": "Changed your mind? For {time} an administrator can still restore it.",
    "deleted_restorable_support": "Changed your mind? For {time} support can still restore it.",
    "show_key": "Show API key",
    "show_webhook": "Show webhook",
    "stop_email_change": "Stop the change",
    "stop_email_title": "Stop the change of email?",
    "stop_email_lead": (
        "Someone asked to change the email address of the account {email}. Press the button, and it stays as it is."
    ),
    "stop_email_done_title": "The change was stopped",
    "stop_email_done": "{email} is still the email address of your account.",
    "stop_email_advice": "If you didn’t ask for it, someone may know your password: set a new one.",
    "stop_email_over_title": "There is no change to stop",
    "stop_email_over": "It was stopped already, has expired, or was made.",
    "stop_email_over_help": "If it was made and it wasn’t you, contact an administrator at once.",
    "stop_email_over_help_support": "If it was made and it wasn’t you, contact support at once.",
    # Mails.
    "mail_greeting": "Hello {name},",
    "mail_greeting_plain": "Hello,",
    "mail_link_hint": "If the button doesn’t work, open this address:",
    "mail_link_expires": "The link works once, until {expires}.",
    "mail_ignore": "If you didn’t expect this email, you can ignore it. Nothing changes.",
    "mail_not_you": "If this wasn’t you, set a new password at once and contact {brand}.",
    "mail_not_me": (
        "If you didn’t sign up, someone else used your address: open the link and choose “This was not me”. That "
        "ends the password, second factors, API keys and sessions of the account."
    ),
    "mail_contact": "If this wasn’t you, contact {brand} at once.",
    "mail_time": "Time",
    "mail_browser": "Browser",
    "mail_address": "IP address",
    "mail_account": "Account",
    "mail_name": "Name",
    "mail_key": "API key",
    "mail_not_your_key": "If you don’t know this key, revoke it at once, set a new password and contact {brand}.",
    "mail_by": "By",
    "mail_by_command_line": "Command line of the server",
    "mail_webhook": "Webhook",
    "mail_invitation_subject": "Your invitation to {brand}",
    "mail_invitation_text": "An account for {email} has been created for you. Choose a password, and it’s ready.",
    "mail_password_reset_subject": "Set a new password for {brand}",
    "mail_password_reset_text": "Someone asked for a new password for {email}. If it was you, set one here.",
    "mail_email_confirmation_subject": "Confirm your email address for {brand}",
    "mail_email_confirmation_text": "Please confirm that {email} is your email address.",
    "mail_email_change_subject": "Confirm your new email address for {brand}",
    "mail_email_change_text": "Please confirm that {email} is the new email address of your account.",
    "mail_sign_in_link_subject": "Sign in to {brand}",
    "mail_sign_in_link_text": (
        "With this link you sign in as {email}. Don’t pass it on: whoever opens it is signed in as you."
    ),
    "mail_email_changed_subject": "Your email address for {brand} has changed",
    "mail_email_changed_text": (
        "{email} is no longer the email address of your account. From now on, our mails go to the new one."
    ),
    "mail_new_device_subject": "New sign-in to {brand}",
    "mail_new_device_text": (
        "Someone signed in to your account {email} with a browser that hasn’t been used for it before."
    ),
    "mail_key_created_subject": "New API key for {brand}",
    "mail_key_created_text": "An API key was created for your account {email}.",
    "mail_key_expiring_subject": "Your API key for {brand} expires soon",
    "mail_key_expiring_text": (
        "The API key “{key}” works until {expires}. Create a new one before then, and use it instead."
    ),
    "mail_webhook_disabled_subject": "Your webhook of {brand} is disabled",
    "mail_webhook_disabled_text": (
        "Nothing is sent to your webhook {webhook} anymore. Events are kept, and sent when you resume it."
    ),
    "mail_webhook_failing": "No delivery has succeeded for five days.",
    "mail_webhook_gone": "The receiver answered that it’s gone (410).",
    "mail_webhook_rights": "Whoever it belongs to, or set it up, has lost the right to it.",
    "mail_second_factor_removed_subject": "Your second factor for {brand} was removed",
    "mail_second_factor_removed_text": (
        "A second factor was removed from your account {email}. You can set up a new one when you sign in."
    ),
    "mail_guesses_exhausted_subject": "Many failed sign-ins to your account at {brand}",
    "mail_guesses_exhausted_text": (
        "Wrong passwords or codes were given 100 times in a row for your account {email}. To protect it, only "
        "browsers in which you’ve signed in before, passkeys and recovery codes work now, until you sign in with "
        "one of them. If you can’t, set a new password or contact {brand}."
    ),
    "mail_email_change_requested_subject": "Your email address for {brand} is about to change",
    "mail_email_change_requested_text": (
        "Someone asked to give your account {email} another email address. If it was you, there is nothing to do "
        "here. If not, stop it with this link."
    ),
    "mail_password_changed_subject": "Your password for {brand} was changed",
    "mail_password_changed_text": "A new password was set for your account {email}.",
    "mail_second_factor_added_subject": "A second factor for {brand} was added",
    "mail_second_factor_added_text": (
        "A second factor was added to your account {email}. From now on, it is asked for when you sign in."
    ),
    "mail_recovery_codes_created_subject": "New recovery codes for {brand}",
    "mail_recovery_codes_created_text": (
        "New recovery codes were created for your account {email}. Those from before no longer work."
    ),
    "mail_test_subject": "Test email from {brand}",
    "mail_test_text": "This email was sent to try the mail settings. They work.",
    # Error pages.
    "title_400": "Invalid request",
    "title_401": "Please sign in",
    "title_403": "You don’t have access",
    "title_404": "Page not found",
    "title_405": "Not allowed",
    "title_408": "Request timed out",
    "title_413": "Too much data",
    "title_429": "Too many requests",
    "title_503": "Temporarily unavailable",
    "title_other": "Something went wrong",
    "advice_form": "Open the page again and use its form.",
    "advice_link": "Check the address, or go to the sign-in page.",
    "advice_wait": "Wait a moment, then try again.",
    "advice_other": "Try again. If it keeps happening, report it with the request ID below.",
    "request_id": "Request ID",
    # What can be wrong. The English sentences are those that actions raise, by which the others are found.
    "error_retry": "{what} Try again in {time}.",
    "error_wrong_password": "The email or password is incorrect.",
    "error_own_password": "Incorrect password.",
    "error_wrong_code": "The code is incorrect, or was used before.",
    "error_guesses_passwords": (
        "Too many wrong passwords were given. Set a new one, or use a browser in which you have signed in before."
    ),
    "error_guesses_codes": (
        "Too many wrong codes were given. Use a recovery code, a passkey, or a browser you’ve signed in with before."
    ),
    "error_code_required": "A code of the second factor is required.",
    "error_passkey": "This passkey was not accepted. Load the page again, then try once more.",
    "error_attempts": "Too many failed attempts.",
    "error_rate_limit": "Rate limit exceeded.",
    "error_suspended": "This account is suspended. Contact an administrator.",
    "error_role": "This account is not allowed to sign in here.",
    "error_foreign_form": "This form was sent from another site. Open the page on this server and send the form again.",
    "error_busy": "The server is busy. Try again shortly.",
    "error_unavailable": "The service is temporarily unavailable.",
    "error_storage": "The database cannot accept writes at the moment. Nothing was changed.",
    "error_limits": "Requests cannot be counted at the moment. Nothing was done.",
    "error_stopping": "The server is shutting down.",
    "error_not_found": "The requested resource could not be found.",
    "error_too_large": "The request body is too large.",
    "error_too_slow": "The request took too long to arrive.",
    "error_unexpected": "An unexpected error occurred on the server.",
    "error_last_owner": "The last owner cannot be removed.",
    "error_no_deletion": "This account can’t be deleted here.",
    "error_email_taken": "Email address is already in use.",
    "error_email_long": "The email address is longer than {n} bytes.",
    "error_email": "This is not a valid email address.",
    "error_name_blank": "The name is blank.",
    "error_name_long": "The name is longer than {n} characters.",
    "error_name_controls": "The name contains a control character, a line break or a lone surrogate.",
    "error_password_short": "The password is shorter than {n} characters.",
    "error_password_long": "The password is longer than {n} characters.",
    "error_password_empty": "The password must not be empty.",
    "error_password_surrogate": "The password contains a lone surrogate.",
    "error_password_is_email": "The password is the same as the email.",
    "error_password_is_name": "The password is the same as the name.",
    "error_password_common": "The password is too common and would be easy to guess.",
    "error_password_word": "The password is a common word with digits or signs, and would be easy to guess.",
    "error_password_about_user": (
        "The password is made of the name or email of the user, or of the name of this server, and would be "
        "easy to guess."
    ),
    "error_password_repeats": "The password repeats a few characters, and would be easy to guess.",
    "error_password_breached": "The password was found in a data breach. Choose another one.",
    "error_password_hash": (
        "The password is the hash of a password. Hashes are only accepted in imports, as password_hash. If a "
        "column of your file is named password, import it with --map password=password_hash."
    ),
}
