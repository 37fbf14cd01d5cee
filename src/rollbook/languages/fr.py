"""French. Formal: vous. No-break spaces stand before ? and ; and between a number and its noun."""

from __future__ import annotations

TEXTS = {
    # On every page.
    "skip_to_content": "Aller au contenu",
    "language": "Langue",
    "contact_support": "Contacter l’assistance",
    "use_light_theme": "Utiliser le thème clair",
    "use_dark_theme": "Utiliser le thème sombre",
    "dismiss": "Fermer",
    "cancel": "Annuler",
    "go_to_sign_in": "Aller à la page de connexion",
    "go_to_account": "Aller à votre compte",
    "fix_one": "Veuillez corriger un champ ci-dessous.",
    "fix_other": "Veuillez corriger {n} champs ci-dessous.",
    # Lengths of time.
    "second_one": "{n}\u00a0seconde",
    "second_other": "{n}\u00a0secondes",
    "minute_one": "{n}\u00a0minute",
    "minute_other": "{n}\u00a0minutes",
    "hour_one": "{n}\u00a0heure",
    "hour_other": "{n}\u00a0heures",
    "day_one": "{n}\u00a0jour",
    "day_other": "{n}\u00a0jours",
    # Fields.
    "email": "Adresse e-mail",
    "name": "Nom",
    "password": "Mot de passe",
    "new_password": "Nouveau mot de passe",
    "confirm_password": "Confirmer le mot de passe",
    "show_password": "Afficher le mot de passe",
    "show_new_password": "Afficher le nouveau mot de passe",
    "show_confirm_password": "Afficher la confirmation du mot de passe",
    "password_hint": (
        "Au moins {n}\u00a0caractères. Quelques mots choisis au hasard conviennent bien\u202f; les mots de "
        "passe courants sont refusés."
    ),
    "characters_needed_one": "Encore {n}\u00a0caractère.",
    "characters_needed_other": "Encore {n}\u00a0caractères.",
    "long_enough": "Longueur suffisante.",
    "passwords_differ": "Les mots de passe ne correspondent pas.",
    # Sign in.
    "sign_in": "Se connecter",
    "forgot_password": "Mot de passe oublié\u202f?",
    "first_link": (
        "Ce serveur est nouveau\u202f: le lien avec lequel son propriétaire se connecte la première "
        "fois se trouve dans le terminal où il a été démarré, ou dans {file} dans son dossier de "
        "données."
    ),
    "no_password": (
        "Pas encore de mot de passe, ou oublié\u202f? Demandez à un administrateur un lien pour en définir un nouveau."
    ),
    "no_password_support": (
        "Pas encore de mot de passe, ou oublié\u202f? L’assistance peut vous fournir un lien pour en définir "
        "un nouveau."
    ),
    "signed_out": "Vous êtes déconnecté.",
    "session_expired": "Votre session a expiré. Reconnectez-vous pour continuer.",
    "password_is_set": "Votre mot de passe est défini.",
    # Forgot password.
    "forgot_title": "Mot de passe oublié\u202f?",
    "forgot_lead": (
        "Saisissez votre adresse e-mail. Si elle correspond à un compte, nous vous enverrons un lien pour "
        "définir un nouveau mot de passe."
    ),
    "send_link": "Envoyer le lien",
    "check_email": "Consultez vos e-mails",
    "link_sent": (
        "Si {email} correspond à un compte, un lien vient d’être envoyé. Il ne fonctionne qu’une fois et reste "
        "valable {time}."
    ),
    "nothing_arrived": (
        "Rien reçu après quelques minutes\u202f? Vérifiez votre dossier de courrier indésirable et "
        "l’orthographe de l’adresse, puis réessayez."
    ),
    "try_again": "Réessayer",
    # Set a password, accept an invitation.
    "set_password_title": "Définissez votre mot de passe",
    "set_password": "Définir le mot de passe",
    "set_password_and_sign_in": "Définir le mot de passe et se connecter",
    "invitation_title": "Bienvenue sur {brand}",
    "invitation_lead": "Vous avez reçu une invitation. Choisissez un mot de passe et votre compte sera prêt.",
    "accept_invitation": "Accepter l’invitation",
    "revoke_keys": "Révoquer mes clés API",
    "revoke_keys_hint": (
        "Une personne connaissant votre ancien mot de passe a pu en créer. Les applications qui utilisent vos "
        "clés cesseront de fonctionner."
    ),
    "link_works_once": (
        "Ce lien ne fonctionne qu’une fois. La définition d’un mot de passe vous déconnecte de tous les autres "
        "navigateurs."
    ),
    "continue_at": "Vous continuerez ensuite sur {host}.",
    "other_account": "Vous êtes connecté en tant que {email}, mais ce lien est destiné à {other}.",
    "other_account_switches": (
        "En définissant le mot de passe, vous serez déconnecté du premier compte et connecté au second."
    ),
    "other_account_stays": "La définition du mot de passe ne change rien à votre connexion actuelle.",
    # Confirm an email.
    "confirm_email_title": "Confirmez votre adresse e-mail",
    "confirm_email_lead": "Appuyez sur le bouton pour confirmer que {email} est bien votre adresse.",
    "change_email_title": "Confirmez votre nouvelle adresse e-mail",
    "change_email_lead": "Vous vous connecterez désormais avec {email} au lieu de {old}.",
    "confirm_email": "Confirmer l’adresse e-mail",
    "email_confirmed_title": "Votre adresse e-mail est confirmée",
    "email_confirmed": "Merci. L’adresse {email} est confirmée et vous pouvez fermer cette page.",
    "not_me_lead": (
        "Vous ne vous êtes pas inscrit ? Quelqu’un d’autre a alors utilisé votre adresse. « Ce n’était pas moi » "
        "met fin au mot de passe, aux seconds facteurs, aux clés API et aux sessions de ce compte."
    ),
    "not_me": "Ce n’était pas moi",
    "disowned_title": "Le compte est fermé à la personne qui a utilisé votre adresse",
    "disowned": (
        "Le mot de passe, les seconds facteurs, les clés API, les sessions et les liens du compte {email} ont "
        "pris fin. Vous pouvez fermer cette page."
    ),
    # Sign in with a link.
    "sign_in_link_title": "Se connecter avec ce lien",
    "sign_in_link_lead": "Appuyez sur le bouton pour vous connecter en tant que {email}.",
    # The second factor.
    "continue": "Continuer",
    "second_step_title": "Confirmez que c’est bien vous",
    "second_step_lead": "Votre compte {email} est protégé par un second facteur.",
    "second_step_password": (
        "Votre compte est protégé par un second facteur, également nécessaire pour un nouveau mot de passe."
    ),
    "use_passkey": "Utiliser une clé d’accès",
    "sign_in_with_passkey": "Se connecter avec une clé d’accès",
    "or": "ou",
    "code": "Code",
    "code_hint": "Celui de votre application d’authentification, ou un code de récupération.",
    "recovery_code": "Code de récupération",
    "recovery_code_hint": (
        "L’un de ceux que vous avez conservés en créant votre clé d’accès. Chacun ne sert qu’une fois."
    ),
    "passkey_failed": (
        "Aucune clé d’accès n’a été utilisée\u202f: l’opération a été annulée, a pris trop de temps, ou cet "
        "appareil n’en a pas pour votre compte. Réessayez."
    ),
    "passkey_not_made": (
        "Aucune clé d’accès n’a été créée\u202f: l’opération a été annulée ou a pris trop de temps. Réessayez."
    ),
    "passkey_known": "Cet appareil a déjà une clé d’accès pour votre compte.",
    "factor_lost": (
        "Vous avez perdu votre appareil et vos codes de récupération\u202f? Demandez à un administrateur de "
        "lever votre second facteur."
    ),
    "factor_lost_support": (
        "Vous avez perdu votre appareil et vos codes de récupération\u202f? L’assistance peut lever votre "
        "second facteur."
    ),
    "other_person": "Se connecter avec un autre compte",
    "sign_in_expired": "La connexion a pris trop de temps. Reconnectez-vous.",
    "confirm_password_title": "Confirmez votre mot de passe",
    "confirm_password_lead": (
        "Pour votre sécurité, confirmez votre mot de passe pour continuer. Il ne vous sera plus demandé "
        "pendant 10 minutes."
    ),
    "confirm_factor_lead": (
        "Pour votre sécurité, confirmez que c’est bien vous pour continuer. Cela ne vous sera plus demandé "
        "pendant 10 minutes."
    ),
    # A link that doesn't work.
    "link_dead_title": "Ce lien n’est plus valable",
    "link_unknown": (
        "Les liens ne fonctionnent qu’une fois et pendant une durée limitée. Un lien plus récent, un "
        "changement de mot de passe ou la suspension du compte les rend aussi inutilisables. Vérifiez que vous "
        "avez copié le lien en entier."
    ),
    "ask_for_new_link": "Demandez-en un nouveau à un administrateur.",
    "ask_support_for_new_link": "L’assistance peut vous en fournir un nouveau.",
    "request_new_link": "Demander un nouveau lien",
    "if_you_run_this_server": "Si vous administrez ce serveur, utilisez {command} avec votre adresse e-mail.",
    # Delete one's own account.
    "delete_title": "Supprimer votre compte",
    "delete_lead": "Vous serez déconnecté partout et vos clés API cesseront immédiatement de fonctionner.",
    "delete_restorable": (
        "Il peut encore être restauré pendant {time}. Ensuite, vos données seront définitivement effacées."
    ),
    "delete_for_good": "Vos données seront définitivement effacées.",
    "delete_account": "Supprimer mon compte",
    "deleted_title": "Votre compte est supprimé",
    "deleted_restorable": "Vous avez changé d’avis\u202f? Pendant {time}, un administrateur peut encore le restaurer.",
    "deleted_restorable_support": (
        "Vous avez changé d’avis\u202f? Pendant {time}, l’assistance peut encore le restaurer."
    ),
    "show_key": "Afficher la clé d’API",
    "show_webhook": "Afficher le webhook",
    "stop_email_change": "Arrêter le changement",
    "stop_email_title": "Arrêter le changement d’adresse e-mail\u202f?",
    "stop_email_lead": (
        "Quelqu’un a demandé à changer l’adresse e-mail du compte {email}. Appuyez sur le bouton pour qu’elle "
        "reste inchangée."
    ),
    "stop_email_done_title": "Le changement a été arrêté",
    "stop_email_done": "{email} reste l’adresse e-mail de votre compte.",
    "stop_email_advice": (
        "Si vous ne l’avez pas demandé, quelqu’un connaît peut-être votre mot de passe\u202f: définissez-en un nouveau."
    ),
    "stop_email_over_title": "Il n’y a aucun changement à arrêter",
    "stop_email_over": "Il a déjà été arrêté, a expiré ou a été effectué.",
    "stop_email_over_help": (
        "S’il a été effectué et que ce n’était pas vous, contactez immédiatement un administrateur."
    ),
    "stop_email_over_help_support": (
        "S’il a été effectué et que ce n’était pas vous, contactez immédiatement l’assistance."
    ),
    # Mails.
    "mail_greeting": "Bonjour {name},",
    "mail_greeting_plain": "Bonjour,",
    "mail_link_hint": "Si le bouton ne fonctionne pas, ouvrez cette adresse :",
    "mail_link_expires": "Le lien fonctionne une seule fois, jusqu’au {expires}.",
    "mail_ignore": "Si vous n’attendiez pas cet e-mail, vous pouvez l’ignorer. Rien ne changera.",
    "mail_not_you": "Si ce n’était pas vous, définissez immédiatement un nouveau mot de passe et contactez {brand}.",
    "mail_not_me": (
        "Si vous ne vous êtes pas inscrit, quelqu’un d’autre a utilisé votre adresse : ouvrez le lien et "
        "choisissez « Ce n’était pas moi ». Cela met fin au mot de passe, aux seconds facteurs, aux clés API et "
        "aux sessions du compte."
    ),
    "mail_contact": "Si ce n’était pas vous, contactez immédiatement {brand}.",
    "mail_time": "Heure",
    "mail_browser": "Navigateur",
    "mail_address": "Adresse IP",
    "mail_account": "Compte",
    "mail_name": "Nom",
    "mail_key": "Clé d’API",
    "mail_not_your_key": (
        "Si vous ne connaissez pas cette clé, révoquez-la immédiatement, définissez un nouveau mot de passe et "
        "contactez {brand}."
    ),
    "mail_by": "Par",
    "mail_by_command_line": "Ligne de commande du serveur",
    "mail_webhook": "Webhook",
    "mail_invitation_subject": "Votre invitation à {brand}",
    "mail_invitation_text": "Un compte a été créé pour {email}. Choisissez un mot de passe pour pouvoir l’utiliser.",
    "mail_password_reset_subject": "Définir un nouveau mot de passe pour {brand}",
    "mail_password_reset_text": (
        "Quelqu’un a demandé un nouveau mot de passe pour {email}. Si c’était vous, définissez-le ici."
    ),
    "mail_email_confirmation_subject": "Confirmez votre adresse e-mail pour {brand}",
    "mail_email_confirmation_text": "Veuillez confirmer que {email} est bien votre adresse e-mail.",
    "mail_email_change_subject": "Confirmez votre nouvelle adresse e-mail pour {brand}",
    "mail_email_change_text": "Veuillez confirmer que {email} est la nouvelle adresse e-mail de votre compte.",
    "mail_sign_in_link_subject": "Connexion à {brand}",
    "mail_sign_in_link_text": (
        "Ce lien vous connecte en tant que {email}. Ne le transmettez à personne : quiconque l’ouvre est "
        "connecté à votre place."
    ),
    "mail_email_changed_subject": "Votre adresse e-mail pour {brand} a été modifiée",
    "mail_email_changed_text": (
        "{email} n’est plus l’adresse e-mail de votre compte. Nos e-mails sont désormais envoyés à la nouvelle adresse."
    ),
    "mail_new_device_subject": "Nouvelle connexion à {brand}",
    "mail_new_device_text": (
        "Quelqu’un s’est connecté à votre compte {email} avec un navigateur qui n’avait pas encore été "
        "utilisé pour celui-ci."
    ),
    "mail_key_created_subject": "Nouvelle clé d’API pour {brand}",
    "mail_key_created_text": "Une clé d’API a été créée pour votre compte {email}.",
    "mail_key_expiring_subject": "Votre clé d’API pour {brand} expire bientôt",
    "mail_key_expiring_text": (
        "La clé d’API « {key} » est valable jusqu’au {expires}. Créez-en une nouvelle d’ici là et "
        "utilisez-la à sa place."
    ),
    "mail_webhook_disabled_subject": "Votre webhook de {brand} est désactivé",
    "mail_webhook_disabled_text": (
        "Plus rien n’est envoyé à votre webhook {webhook}. Les événements sont conservés et seront envoyés "
        "lorsque vous le reprendrez."
    ),
    "mail_webhook_failing": "Aucun envoi n’a abouti depuis cinq jours.",
    "mail_webhook_gone": "Le destinataire a répondu qu’il n’existe plus (410).",
    "mail_webhook_rights": "La personne à qui il appartient, ou qui l’a configuré, n’en a plus le droit.",
    "mail_second_factor_removed_subject": "Votre second facteur pour {brand} a été supprimé",
    "mail_second_factor_removed_text": (
        "Un second facteur de votre compte {email} a été supprimé. Vous pourrez en configurer un nouveau lors de "
        "votre prochaine connexion."
    ),
    "mail_guesses_exhausted_subject": "Nombreuses connexions échouées à votre compte {brand}",
    "mail_guesses_exhausted_text": (
        "Des mots de passe ou des codes incorrects ont été saisis 100 fois de suite pour votre compte {email}. "
        "Pour le protéger, seuls les navigateurs avec lesquels vous vous êtes déjà connecté, les clés d’accès et "
        "les codes de récupération fonctionnent désormais, jusqu’à ce que vous vous connectiez ainsi. Si vous ne "
        "le pouvez pas, définissez un nouveau mot de passe ou contactez {brand}."
    ),
    "mail_email_change_requested_subject": "Votre adresse e-mail pour {brand} est sur le point de changer",
    "mail_email_change_requested_text": (
        "Quelqu’un a demandé à donner une autre adresse e-mail à votre compte {email}. Si c’était vous, vous "
        "n’avez rien à faire ici. Sinon, arrêtez le changement avec ce lien."
    ),
    "mail_password_changed_subject": "Votre mot de passe pour {brand} a été modifié",
    "mail_password_changed_text": "Un nouveau mot de passe a été défini pour votre compte {email}.",
    "mail_second_factor_added_subject": "Un second facteur pour {brand} a été ajouté",
    "mail_second_factor_added_text": (
        "Un second facteur a été ajouté à votre compte {email}. Il vous sera désormais demandé à la connexion."
    ),
    "mail_recovery_codes_created_subject": "Nouveaux codes de récupération pour {brand}",
    "mail_recovery_codes_created_text": (
        "De nouveaux codes de récupération ont été créés pour votre compte {email}. Les précédents ne "
        "fonctionnent plus."
    ),
    "mail_test_subject": "E-mail de test de {brand}",
    "mail_test_text": "Cet e-mail a été envoyé pour essayer les paramètres de messagerie. Ils fonctionnent.",
    # Error pages.
    "title_400": "Requête non valide",
    "title_401": "Veuillez vous connecter",
    "title_403": "Accès refusé",
    "title_404": "Page introuvable",
    "title_405": "Action non autorisée",
    "title_408": "Délai dépassé",
    "title_413": "Trop de données",
    "title_429": "Trop de requêtes",
    "title_503": "Temporairement indisponible",
    "title_other": "Une erreur s’est produite",
    "advice_form": "Rouvrez la page et utilisez son formulaire.",
    "advice_link": "Vérifiez l’adresse ou allez à la page de connexion.",
    "advice_wait": "Patientez un instant, puis réessayez.",
    "advice_other": "Réessayez. Si le problème persiste, signalez-le avec l’identifiant de requête ci-dessous.",
    "request_id": "Identifiant de requête",
    # What can be wrong. The English sentences are those that actions raise, by which the others are found.
    "error_retry": "{what} Réessayez dans {time}.",
    "error_wrong_password": "L’adresse e-mail ou le mot de passe est incorrect.",
    "error_own_password": "Mot de passe incorrect.",
    "error_wrong_code": "Le code est incorrect ou a déjà été utilisé.",
    "error_guesses_passwords": (
        "Trop de mots de passe incorrects ont été saisis. Définissez-en un nouveau ou utilisez un navigateur "
        "avec lequel vous vous êtes déjà connecté."
    ),
    "error_guesses_codes": (
        "Trop de codes incorrects ont été saisis. Utilisez un code de récupération, une clé d’accès ou un "
        "navigateur avec lequel vous vous êtes déjà connecté."
    ),
    "error_code_required": "Un code du second facteur est nécessaire.",
    "error_passkey": "Cette clé d’accès n’a pas été acceptée. Rechargez la page, puis réessayez.",
    "error_attempts": "Trop de tentatives infructueuses.",
    "error_rate_limit": "Trop de requêtes en peu de temps.",
    "error_suspended": "Ce compte est suspendu. Contactez un administrateur.",
    "error_role": "Ce compte n’est pas autorisé à se connecter ici.",
    "error_foreign_form": (
        "Ce formulaire a été envoyé depuis un autre site. Ouvrez la page sur ce serveur et renvoyez le formulaire."
    ),
    "error_busy": "Le serveur est surchargé. Réessayez dans un instant.",
    "error_unavailable": "Le service est temporairement indisponible.",
    "error_storage": "Rien ne peut être enregistré pour le moment. Aucune modification n’a été effectuée.",
    "error_limits": "Les requêtes ne peuvent pas être traitées pour le moment. Rien n’a été fait.",
    "error_stopping": "Le serveur est en cours d’arrêt.",
    "error_not_found": "La page demandée est introuvable.",
    "error_too_large": "Trop de données ont été envoyées.",
    "error_too_slow": "La requête a mis trop de temps à arriver.",
    "error_unexpected": "Une erreur inattendue s’est produite sur le serveur.",
    "error_last_owner": "Le dernier propriétaire ne peut pas être supprimé.",
    "error_no_deletion": "Ce compte ne peut pas être supprimé ici.",
    "error_email_taken": "Cette adresse e-mail est déjà utilisée.",
    "error_email_long": "L’adresse e-mail est trop longue.",
    "error_email": "Cette adresse e-mail n’est pas valide.",
    "error_name_blank": "Le nom est vide.",
    "error_name_long": "Le nom dépasse {n}\u00a0caractères.",
    "error_name_controls": "Le nom contient un caractère de contrôle ou un saut de ligne.",
    "error_password_short": "Le mot de passe compte moins de {n}\u00a0caractères.",
    "error_password_long": "Le mot de passe dépasse {n}\u00a0caractères.",
    "error_password_empty": "Saisissez le mot de passe.",
    "error_password_surrogate": "Le mot de passe contient un caractère non valide.",
    "error_password_is_email": "Le mot de passe est identique à l’adresse e-mail.",
    "error_password_is_name": "Le mot de passe est identique au nom.",
    "error_password_common": "Le mot de passe est trop courant et serait facile à deviner.",
    "error_password_word": (
        "Le mot de passe est un mot courant avec des chiffres ou des signes et serait facile à deviner."
    ),
    "error_password_about_user": (
        "Le mot de passe est composé de votre nom, de votre adresse e-mail ou du nom de ce serveur et serait "
        "facile à deviner."
    ),
    "error_password_repeats": "Le mot de passe répète quelques caractères et serait facile à deviner.",
    "error_password_breached": "Ce mot de passe figure dans une fuite de données. Choisissez-en un autre.",
    "error_password_hash": "Ce mot de passe est l’empreinte d’un mot de passe. Choisissez-en un autre.",
}
