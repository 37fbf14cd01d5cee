"""Spanish. Formal: usted."""

from __future__ import annotations

TEXTS = {
    # On every page.
    "skip_to_content": "Ir al contenido",
    "language": "Idioma",
    "contact_support": "Contactar con soporte",
    "use_light_theme": "Usar el tema claro",
    "use_dark_theme": "Usar el tema oscuro",
    "dismiss": "Cerrar",
    "cancel": "Cancelar",
    "go_to_sign_in": "Ir al inicio de sesión",
    "go_to_account": "Ir a su cuenta",
    "fix_one": "Corrija un campo.",
    "fix_other": "Corrija {n} campos.",
    # Lengths of time.
    "second_one": "{n} segundo",
    "second_other": "{n} segundos",
    "minute_one": "{n} minuto",
    "minute_other": "{n} minutos",
    "hour_one": "{n} hora",
    "hour_other": "{n} horas",
    "day_one": "{n} día",
    "day_other": "{n} días",
    # Fields.
    "email": "Correo electrónico",
    "name": "Nombre",
    "password": "Contraseña",
    "new_password": "Nueva contraseña",
    "confirm_password": "Confirmar la contraseña",
    "show_password": "Mostrar la contraseña",
    "show_new_password": "Mostrar la nueva contraseña",
    "show_confirm_password": "Mostrar la confirmación de la contraseña",
    "password_hint": (
        "Al menos {n} caracteres. Unas cuantas palabras al azar funcionan bien; las contraseñas comunes se rechazan."
    ),
    "characters_needed_one": "Falta {n} carácter.",
    "characters_needed_other": "Faltan {n} caracteres.",
    "long_enough": "Longitud suficiente.",
    "passwords_differ": "Las contraseñas no coinciden.",
    # Sign in.
    "sign_in": "Iniciar sesión",
    "forgot_password": "¿Olvidó su contraseña?",
    "first_link": (
        "Este servidor es nuevo: el enlace con el que su propietario inicia sesión por primera vez está "
        "en la terminal donde se inició, o en {file} en su carpeta de datos."
    ),
    "no_password": "¿Aún no tiene contraseña o la olvidó? Pida a un administrador un enlace para establecer una nueva.",
    "no_password_support": (
        "¿Aún no tiene contraseña o la olvidó? Soporte puede darle un enlace para establecer una nueva."
    ),
    "signed_out": "Ha cerrado la sesión.",
    "session_expired": "Su sesión ha caducado. Inicie sesión de nuevo para continuar.",
    "password_is_set": "Su contraseña se ha establecido.",
    # Forgot password.
    "forgot_title": "¿Olvidó su contraseña?",
    "forgot_lead": (
        "Introduzca su correo electrónico. Si pertenece a una cuenta, le enviaremos un enlace para establecer "
        "una nueva contraseña."
    ),
    "send_link": "Enviar enlace",
    "check_email": "Revise su correo",
    "link_sent": (
        "Si {email} pertenece a una cuenta, el enlace está en camino. Funciona una sola vez y es válido durante {time}."
    ),
    "nothing_arrived": (
        "¿No ha recibido nada tras unos minutos? Revise la carpeta de correo no deseado y compruebe la "
        "dirección; después, inténtelo de nuevo."
    ),
    "try_again": "Intentar de nuevo",
    # Set a password, accept an invitation.
    "set_password_title": "Establezca su contraseña",
    "set_password": "Establecer contraseña",
    "set_password_and_sign_in": "Establecer contraseña e iniciar sesión",
    "invitation_title": "Le damos la bienvenida a {brand}",
    "invitation_lead": "Ha recibido una invitación. Elija una contraseña y su cuenta estará lista.",
    "accept_invitation": "Aceptar la invitación",
    "revoke_keys": "Revocar mis claves de API",
    "revoke_keys_hint": (
        "Quien conocía su antigua contraseña pudo crear alguna. Las aplicaciones que usan sus claves dejarán "
        "de funcionar."
    ),
    "link_works_once": (
        "Este enlace funciona una sola vez. Al establecer una contraseña se cierra su sesión en todos los "
        "demás navegadores."
    ),
    "continue_at": "Después continuará en {host}.",
    "other_account": "Ha iniciado sesión como {email}, pero este enlace es para {other}.",
    "other_account_switches": (
        "Al establecer la contraseña, se cerrará la sesión de la primera cuenta y se iniciará en la segunda."
    ),
    "other_account_stays": "Al establecer la contraseña, su sesión actual se mantiene.",
    # Confirm an email.
    "confirm_email_title": "Confirme su correo electrónico",
    "confirm_email_lead": "Pulse el botón para confirmar que {email} es su dirección.",
    "change_email_title": "Confirme su nuevo correo electrónico",
    "change_email_lead": "A partir de ahora iniciará sesión con {email} en lugar de {old}.",
    "confirm_email": "Confirmar el correo electrónico",
    "email_confirmed_title": "Su correo electrónico está confirmado",
    "email_confirmed": "Gracias. {email} está confirmado y puede cerrar esta página.",
    "not_me_lead": (
        "¿No se ha registrado? Entonces otra persona ha usado su dirección. «No he sido yo» anula la contraseña, "
        "los segundos factores, las claves API y las sesiones de esta cuenta."
    ),
    "not_me": "No he sido yo",
    "disowned_title": "La cuenta está cerrada para quien usó su dirección",
    "disowned": (
        "Se han anulado la contraseña, los segundos factores, las claves API, las sesiones y los enlaces de la "
        "cuenta {email}. Puede cerrar esta página."
    ),
    # Sign in with a link.
    "sign_in_link_title": "Iniciar sesión con este enlace",
    "sign_in_link_lead": "Pulse el botón para iniciar sesión como {email}.",
    # The second factor.
    "continue": "Continuar",
    "second_step_title": "Confirme que es usted",
    "second_step_lead": "Su cuenta {email} tiene un segundo factor.",
    "second_step_password": "Su cuenta tiene un segundo factor, que también hace falta para una contraseña nueva.",
    "use_passkey": "Usar una clave de acceso",
    "sign_in_with_passkey": "Iniciar sesión con una clave de acceso",
    "or": "o",
    "code": "Código",
    "code_hint": "El de su aplicación de autenticación, o un código de recuperación.",
    "recovery_code": "Código de recuperación",
    "recovery_code_hint": "Uno de los que guardó al crear su clave de acceso. Cada uno sirve una sola vez.",
    "passkey_failed": (
        "No se ha usado ninguna clave de acceso: se canceló, tardó demasiado o este dispositivo no tiene "
        "ninguna para su cuenta. Inténtelo de nuevo."
    ),
    "passkey_not_made": "No se ha creado ninguna clave de acceso: se canceló o tardó demasiado. Inténtelo de nuevo.",
    "passkey_known": "Este dispositivo ya tiene una clave de acceso para su cuenta.",
    "factor_lost": (
        "¿Ha perdido su dispositivo y sus códigos de recuperación? Pida a un administrador que retire su "
        "segundo factor."
    ),
    "factor_lost_support": (
        "¿Ha perdido su dispositivo y sus códigos de recuperación? Soporte puede retirar su segundo factor."
    ),
    "other_person": "Iniciar sesión con otra cuenta",
    "sign_in_expired": "El inicio de sesión ha tardado demasiado. Inicie sesión de nuevo.",
    "confirm_password_title": "Confirme su contraseña",
    "confirm_password_lead": (
        "Por su seguridad, confirme su contraseña para continuar. No se le volverá a pedir durante 10 minutos."
    ),
    "confirm_factor_lead": (
        "Por su seguridad, confirme que es usted para continuar. No se le volverá a pedir durante 10 minutos."
    ),
    # A link that doesn't work.
    "link_dead_title": "Este enlace ya no es válido",
    "link_unknown": (
        "Los enlaces funcionan una sola vez y durante un tiempo limitado. Un enlace más reciente, un cambio de "
        "contraseña o la suspensión de la cuenta también los invalidan. Compruebe que ha copiado el enlace "
        "completo."
    ),
    "ask_for_new_link": "Pida uno nuevo a un administrador.",
    "ask_support_for_new_link": "Soporte puede darle uno nuevo.",
    "request_new_link": "Solicitar un nuevo enlace",
    "if_you_run_this_server": "Si usted administra este servidor, use {command} con su correo electrónico.",
    # Delete one's own account.
    "delete_title": "Eliminar su cuenta",
    "delete_lead": "Se cerrará su sesión en todas partes y sus claves de API dejarán de funcionar de inmediato.",
    "delete_restorable": "Todavía podrá restaurarse durante {time}. Después, sus datos se borrarán definitivamente.",
    "delete_for_good": "Sus datos se borrarán definitivamente.",
    "delete_account": "Eliminar mi cuenta",
    "deleted_title": "Su cuenta se ha eliminado",
    "deleted_restorable": "¿Ha cambiado de opinión? Durante {time}, un administrador todavía puede restaurarla.",
    "deleted_restorable_support": "¿Ha cambiado de opinión? Durante {time}, soporte todavía puede restaurarla.",
    "show_key": "Mostrar la clave de API",
    "show_webhook": "Mostrar el webhook",
    "stop_email_change": "Detener el cambio",
    "stop_email_title": "¿Detener el cambio de correo electrónico?",
    "stop_email_lead": (
        "Alguien ha pedido cambiar la dirección de correo electrónico de la cuenta {email}. Pulse el botón para "
        "que siga como está."
    ),
    "stop_email_done_title": "El cambio se ha detenido",
    "stop_email_done": "{email} sigue siendo la dirección de correo electrónico de su cuenta.",
    "stop_email_advice": (
        "Si no lo ha pedido usted, es posible que alguien conozca su contraseña: establezca una nueva."
    ),
    "stop_email_over_title": "No hay ningún cambio que detener",
    "stop_email_over": "Ya se detuvo, ha caducado o se ha realizado.",
    "stop_email_over_help": (
        "Si se ha realizado y no ha sido usted, póngase en contacto con un administrador de inmediato."
    ),
    "stop_email_over_help_support": (
        "Si se ha realizado y no ha sido usted, póngase en contacto con soporte de inmediato."
    ),
    # Mails.
    "mail_greeting": "Hola, {name}:",
    "mail_greeting_plain": "Hola:",
    "mail_link_hint": "Si el botón no funciona, abra esta dirección:",
    "mail_link_expires": "El enlace funciona una sola vez, hasta {expires}.",
    "mail_ignore": "Si no esperaba este correo, puede ignorarlo. No cambia nada.",
    "mail_not_you": (
        "Si no ha sido usted, establezca de inmediato una contraseña nueva y póngase en contacto con {brand}."
    ),
    "mail_not_me": (
        "Si no se ha registrado, otra persona ha usado su dirección: abra el enlace y elija «No he sido yo». Eso "
        "anula la contraseña, los segundos factores, las claves API y las sesiones de la cuenta."
    ),
    "mail_contact": "Si no ha sido usted, póngase en contacto con {brand} de inmediato.",
    "mail_time": "Hora",
    "mail_browser": "Navegador",
    "mail_address": "Dirección IP",
    "mail_account": "Cuenta",
    "mail_name": "Nombre",
    "mail_key": "Clave de API",
    "mail_not_your_key": (
        "Si no conoce esta clave, revóquela de inmediato, establezca una contraseña nueva y póngase en contacto "
        "con {brand}."
    ),
    "mail_by": "Por",
    "mail_by_command_line": "Línea de comandos del servidor",
    "mail_webhook": "Webhook",
    "mail_invitation_subject": "Su invitación a {brand}",
    "mail_invitation_text": "Se ha creado una cuenta para {email}. Elija una contraseña y podrá usarla.",
    "mail_password_reset_subject": "Establezca una contraseña nueva para {brand}",
    "mail_password_reset_text": (
        "Alguien ha solicitado una contraseña nueva para {email}. Si ha sido usted, establézcala aquí."
    ),
    "mail_email_confirmation_subject": "Confirme su dirección de correo para {brand}",
    "mail_email_confirmation_text": "Confirme que {email} es su dirección de correo electrónico.",
    "mail_email_change_subject": "Confirme su nueva dirección de correo para {brand}",
    "mail_email_change_text": "Confirme que {email} es la nueva dirección de correo electrónico de su cuenta.",
    "mail_sign_in_link_subject": "Iniciar sesión en {brand}",
    "mail_sign_in_link_text": (
        "Con este enlace inicia sesión como {email}. No lo comparta: quien lo abra iniciará sesión como usted."
    ),
    "mail_email_changed_subject": "Su dirección de correo para {brand} ha cambiado",
    "mail_email_changed_text": (
        "{email} ya no es la dirección de correo electrónico de su cuenta. A partir de ahora, nuestros "
        "correos se envían a la nueva."
    ),
    "mail_new_device_subject": "Nuevo inicio de sesión en {brand}",
    "mail_new_device_text": (
        "Alguien ha iniciado sesión en su cuenta {email} con un navegador que no se había usado antes con ella."
    ),
    "mail_key_created_subject": "Nueva clave de API para {brand}",
    "mail_key_created_text": "Se ha creado una clave de API para su cuenta {email}.",
    "mail_key_expiring_subject": "Su clave de API para {brand} caduca pronto",
    "mail_key_expiring_text": (
        "La clave de API «{key}» funciona hasta {expires}. Cree una nueva antes de esa fecha y use esa."
    ),
    "mail_webhook_disabled_subject": "Su webhook de {brand} está desactivado",
    "mail_webhook_disabled_text": (
        "Ya no se envía nada a su webhook {webhook}. Los eventos se conservan y se enviarán cuando lo reanude."
    ),
    "mail_webhook_failing": "Ningún envío ha tenido éxito en cinco días.",
    "mail_webhook_gone": "El receptor ha respondido que ya no existe (410).",
    "mail_webhook_rights": "La persona a la que pertenece, o que lo configuró, ya no tiene derecho a él.",
    "mail_second_factor_removed_subject": "Se ha eliminado su segundo factor para {brand}",
    "mail_second_factor_removed_text": (
        "Se ha eliminado un segundo factor de su cuenta {email}. Podrá configurar uno nuevo cuando inicie sesión."
    ),
    "mail_guesses_exhausted_subject": "Muchos intentos fallidos de entrar en su cuenta de {brand}",
    "mail_guesses_exhausted_text": (
        "Se han introducido contraseñas o códigos incorrectos 100 veces seguidas para su cuenta {email}. Para "
        "protegerla, ahora solo funcionan los navegadores en los que ya ha iniciado sesión, las claves de acceso "
        "y los códigos de recuperación, hasta que inicie sesión con uno de ellos. Si no puede, establezca una "
        "contraseña nueva o póngase en contacto con {brand}."
    ),
    "mail_email_change_requested_subject": "Su dirección de correo electrónico de {brand} está a punto de cambiar",
    "mail_email_change_requested_text": (
        "Alguien ha pedido dar otra dirección de correo electrónico a su cuenta {email}. Si ha sido usted, no "
        "tiene que hacer nada aquí. Si no, detenga el cambio con este enlace."
    ),
    "mail_password_changed_subject": "Su contraseña de {brand} ha cambiado",
    "mail_password_changed_text": "Se ha establecido una contraseña nueva para su cuenta {email}.",
    "mail_second_factor_added_subject": "Se ha añadido un segundo factor de {brand}",
    "mail_second_factor_added_text": (
        "Se ha añadido un segundo factor a su cuenta {email}. A partir de ahora se le pedirá al iniciar sesión."
    ),
    "mail_recovery_codes_created_subject": "Nuevos códigos de recuperación de {brand}",
    "mail_recovery_codes_created_text": (
        "Se han creado nuevos códigos de recuperación para su cuenta {email}. Los anteriores ya no funcionan."
    ),
    "mail_test_subject": "Correo de prueba de {brand}",
    "mail_test_text": "Este correo se ha enviado para probar la configuración del correo. Funciona.",
    # Error pages.
    "title_400": "Solicitud no válida",
    "title_401": "Inicie sesión",
    "title_403": "No tiene acceso",
    "title_404": "Página no encontrada",
    "title_405": "No permitido",
    "title_408": "Se agotó el tiempo de espera",
    "title_413": "Demasiados datos",
    "title_429": "Demasiadas solicitudes",
    "title_503": "No disponible temporalmente",
    "title_other": "Algo ha fallado",
    "advice_form": "Abra la página de nuevo y use su formulario.",
    "advice_link": "Compruebe la dirección o vaya al inicio de sesión.",
    "advice_wait": "Espere un momento y vuelva a intentarlo.",
    "advice_other": "Inténtelo de nuevo. Si persiste, comuníquelo con el ID de solicitud que figura abajo.",
    "request_id": "ID de solicitud",
    # What can be wrong. The English sentences are those that actions raise, by which the others are found.
    "error_retry": "{what} Inténtelo de nuevo dentro de {time}.",
    "error_wrong_password": "El correo electrónico o la contraseña son incorrectos.",
    "error_own_password": "Contraseña incorrecta.",
    "error_wrong_code": "El código es incorrecto o ya se ha usado.",
    "error_guesses_passwords": (
        "Se han introducido demasiadas contraseñas incorrectas. Establezca una nueva o use un navegador en el "
        "que ya haya iniciado sesión."
    ),
    "error_guesses_codes": (
        "Se han introducido demasiados códigos incorrectos. Use un código de recuperación, una clave de acceso o "
        "un navegador en el que ya haya iniciado sesión."
    ),
    "error_code_required": "Se necesita un código del segundo factor.",
    "error_passkey": "No se ha aceptado esta clave de acceso. Vuelva a cargar la página e inténtelo otra vez.",
    "error_attempts": "Demasiados intentos fallidos.",
    "error_rate_limit": "Demasiadas solicitudes en poco tiempo.",
    "error_suspended": "Esta cuenta está suspendida. Contacte con un administrador.",
    "error_role": "Esta cuenta no puede iniciar sesión aquí.",
    "error_foreign_form": (
        "Este formulario se envió desde otro sitio. Abra la página en este servidor y envíe el formulario de nuevo."
    ),
    "error_busy": "El servidor está ocupado. Vuelva a intentarlo en breve.",
    "error_unavailable": "El servicio no está disponible temporalmente.",
    "error_storage": "En este momento no se puede guardar nada. No se ha cambiado nada.",
    "error_limits": "En este momento no se pueden atender solicitudes. No se ha hecho nada.",
    "error_stopping": "El servidor se está apagando.",
    "error_not_found": "No se ha encontrado lo que busca.",
    "error_too_large": "Se han enviado demasiados datos.",
    "error_too_slow": "La solicitud tardó demasiado en llegar.",
    "error_unexpected": "Se ha producido un error inesperado en el servidor.",
    "error_last_owner": "No se puede eliminar al último propietario.",
    "error_no_deletion": "Esta cuenta no se puede eliminar aquí.",
    "error_email_taken": "Este correo electrónico ya está en uso.",
    "error_email_long": "El correo electrónico es demasiado largo.",
    "error_email": "Este correo electrónico no es válido.",
    "error_name_blank": "El nombre está vacío.",
    "error_name_long": "El nombre tiene más de {n} caracteres.",
    "error_name_controls": "El nombre contiene un carácter de control o un salto de línea.",
    "error_password_short": "La contraseña tiene menos de {n} caracteres.",
    "error_password_long": "La contraseña tiene más de {n} caracteres.",
    "error_password_empty": "Introduzca la contraseña.",
    "error_password_surrogate": "La contraseña contiene un carácter no válido.",
    "error_password_is_email": "La contraseña es igual que el correo electrónico.",
    "error_password_is_name": "La contraseña es igual que el nombre.",
    "error_password_common": "La contraseña es demasiado común y sería fácil de adivinar.",
    "error_password_word": "La contraseña es una palabra común con cifras o signos y sería fácil de adivinar.",
    "error_password_about_user": (
        "La contraseña se compone de su nombre, su correo electrónico o el nombre de este servidor y sería "
        "fácil de adivinar."
    ),
    "error_password_repeats": "La contraseña repite unos pocos caracteres y sería fácil de adivinar.",
    "error_password_breached": "La contraseña aparece en una filtración de datos. Elija otra.",
    "error_password_hash": "La contraseña es el hash de una contraseña. Elija otra.",
}
