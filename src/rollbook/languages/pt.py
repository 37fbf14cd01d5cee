"""Portuguese, of Brazil. Formal: você."""

from __future__ import annotations

TEXTS = {
    # On every page.
    "skip_to_content": "Ir para o conteúdo",
    "language": "Idioma",
    "contact_support": "Falar com o suporte",
    "use_light_theme": "Usar o tema claro",
    "use_dark_theme": "Usar o tema escuro",
    "dismiss": "Fechar",
    "cancel": "Cancelar",
    "go_to_sign_in": "Ir para a página de entrada",
    "go_to_account": "Ir para a sua conta",
    "fix_one": "Corrija um campo abaixo.",
    "fix_other": "Corrija {n} campos abaixo.",
    # Lengths of time.
    "second_one": "{n} segundo",
    "second_other": "{n} segundos",
    "minute_one": "{n} minuto",
    "minute_other": "{n} minutos",
    "hour_one": "{n} hora",
    "hour_other": "{n} horas",
    "day_one": "{n} dia",
    "day_other": "{n} dias",
    # Fields.
    "email": "E-mail",
    "name": "Nome",
    "password": "Senha",
    "new_password": "Nova senha",
    "confirm_password": "Confirmar a senha",
    "show_password": "Mostrar a senha",
    "show_new_password": "Mostrar a nova senha",
    "show_confirm_password": "Mostrar a confirmação da senha",
    "password_hint": (
        "Pelo menos {n} caracteres. Algumas palavras aleatórias funcionam bem; senhas comuns são recusadas."
    ),
    "characters_needed_one": "Falta {n} caractere.",
    "characters_needed_other": "Faltam {n} caracteres.",
    "long_enough": "Comprimento suficiente.",
    "passwords_differ": "As senhas não coincidem.",
    # Sign in.
    "sign_in": "Entrar",
    "forgot_password": "Esqueceu a senha?",
    "first_link": (
        "Este servidor é novo: o link com o qual o proprietário entra pela primeira vez está no "
        "terminal em que foi iniciado, ou em {file} na sua pasta de dados."
    ),
    "no_password": "Ainda não tem senha ou a esqueceu? Peça a um administrador um link para definir uma nova.",
    "no_password_support": "Ainda não tem senha ou a esqueceu? O suporte pode lhe dar um link para definir uma nova.",
    "signed_out": "Você saiu da sua conta.",
    "session_expired": "A sua sessão expirou. Entre novamente para continuar.",
    "password_is_set": "A sua senha foi definida.",
    # Forgot password.
    "forgot_title": "Esqueceu a senha?",
    "forgot_lead": "Digite o seu e-mail. Se ele pertencer a uma conta, enviaremos um link para definir uma nova senha.",
    "send_link": "Enviar link",
    "check_email": "Confira o seu e-mail",
    "link_sent": (
        "Se {email} pertencer a uma conta, um link está a caminho. Ele funciona uma única vez e vale por {time}."
    ),
    "nothing_arrived": (
        "Nada chegou depois de alguns minutos? Verifique a pasta de spam e se o endereço está correto e tente "
        "novamente."
    ),
    "try_again": "Tentar novamente",
    # Set a password, accept an invitation.
    "set_password_title": "Defina a sua senha",
    "set_password": "Definir senha",
    "set_password_and_sign_in": "Definir senha e entrar",
    "invitation_title": "Boas-vindas a {brand}",
    "invitation_lead": "Você recebeu um convite. Escolha uma senha e a sua conta estará pronta.",
    "accept_invitation": "Aceitar o convite",
    "revoke_keys": "Revogar as minhas chaves de API",
    "revoke_keys_hint": (
        "Quem conhecia a sua senha antiga pode ter criado alguma. Os aplicativos que usam as suas chaves "
        "deixarão de funcionar."
    ),
    "link_works_once": (
        "Este link funciona uma única vez. Ao definir uma senha, você sai da conta em todos os outros navegadores."
    ),
    "continue_at": "Depois, você continuará em {host}.",
    "other_account": "Você entrou como {email}, mas este link pertence a {other}.",
    "other_account_switches": "Ao definir a senha, você sairá da primeira conta e entrará na segunda.",
    "other_account_stays": "Ao definir a senha, a sua sessão atual continua como está.",
    # Confirm an email.
    "confirm_email_title": "Confirme o seu e-mail",
    "confirm_email_lead": "Clique no botão para confirmar que {email} é o seu endereço.",
    "change_email_title": "Confirme o seu novo e-mail",
    "change_email_lead": "A partir de agora, você entrará com {email} em vez de {old}.",
    "confirm_email": "Confirmar e-mail",
    "email_confirmed_title": "O seu e-mail foi confirmado",
    "email_confirmed": "Obrigado. {email} foi confirmado e você pode fechar esta página.",
    "not_me_lead": (
        "Não foi você que se cadastrou? Então outra pessoa usou o seu endereço. “Não fui eu” encerra a senha, os "
        "segundos fatores, as chaves de API e as sessões desta conta."
    ),
    "not_me": "Não fui eu",
    "disowned_title": "A conta está fechada para quem usou o seu endereço",
    "disowned": (
        "A senha, os segundos fatores, as chaves de API, as sessões e os links da conta {email} foram "
        "encerrados. Você pode fechar esta página."
    ),
    # Sign in with a link.
    "sign_in_link_title": "Entrar com este link",
    "sign_in_link_lead": "Clique no botão para entrar como {email}.",
    # The second factor.
    "continue": "Continuar",
    "second_step_title": "Confirme que é você",
    "second_step_lead": "A sua conta {email} tem um segundo fator.",
    "second_step_password": "A sua conta tem um segundo fator, que também é necessário para uma nova senha.",
    "use_passkey": "Usar uma chave de acesso",
    "sign_in_with_passkey": "Entrar com uma chave de acesso",
    "or": "ou",
    "code": "Código",
    "code_hint": "O do seu aplicativo autenticador, ou um código de recuperação.",
    "recovery_code": "Código de recuperação",
    "recovery_code_hint": "Um dos que você guardou ao criar a sua chave de acesso. Cada um funciona uma vez.",
    "passkey_failed": (
        "Nenhuma chave de acesso foi usada: a operação foi cancelada, demorou demais ou este dispositivo não "
        "tem nenhuma para a sua conta. Tente novamente."
    ),
    "passkey_not_made": (
        "Nenhuma chave de acesso foi criada: a operação foi cancelada ou demorou demais. Tente novamente."
    ),
    "passkey_known": "Este dispositivo já tem uma chave de acesso para a sua conta.",
    "factor_lost": (
        "Perdeu o dispositivo e os códigos de recuperação? Peça a um administrador que remova o seu segundo fator."
    ),
    "factor_lost_support": (
        "Perdeu o dispositivo e os códigos de recuperação? O suporte pode remover o seu segundo fator."
    ),
    "other_person": "Entrar com outra conta",
    "sign_in_expired": "O acesso demorou demais. Entre novamente.",
    "confirm_password_title": "Confirme a sua senha",
    "confirm_password_lead": (
        "Para a sua segurança, confirme a sua senha para continuar. Ela não será pedida novamente por 10 minutos."
    ),
    "confirm_factor_lead": (
        "Para a sua segurança, confirme que é você para continuar. Isso não será pedido novamente por 10 minutos."
    ),
    # A link that doesn't work.
    "link_dead_title": "Este link não é mais válido",
    "link_unknown": (
        "Os links funcionam uma única vez e por tempo limitado. Um link mais recente, uma senha alterada ou a "
        "suspensão da conta também os invalidam. Verifique se você copiou o link inteiro."
    ),
    "ask_for_new_link": "Peça um novo a um administrador.",
    "ask_support_for_new_link": "O suporte pode lhe dar um novo.",
    "request_new_link": "Solicitar um novo link",
    "if_you_run_this_server": "Se você administra este servidor, use {command} com o seu e-mail.",
    # Delete one's own account.
    "delete_title": "Excluir a sua conta",
    "delete_lead": (
        "Você sairá da conta em todos os dispositivos e as suas chaves de API deixarão de funcionar imediatamente."
    ),
    "delete_restorable": (
        "Ela ainda poderá ser restaurada por {time}. Depois disso, os seus dados serão apagados definitivamente."
    ),
    "delete_for_good": "Os seus dados serão apagados definitivamente.",
    "delete_account": "Excluir a minha conta",
    "deleted_title": "A sua conta foi excluída",
    "deleted_restorable": "Mudou de ideia? Durante {time}, um administrador ainda pode restaurá-la.",
    "deleted_restorable_support": "Mudou de ideia? Durante {time}, o suporte ainda pode restaurá-la.",
    "show_key": "Mostrar chave de API",
    "show_webhook": "Mostrar webhook",
    "stop_email_change": "Interromper a alteração",
    "stop_email_title": "Interromper a alteração do e-mail?",
    "stop_email_lead": (
        "Alguém pediu para alterar o endereço de e-mail da conta {email}. Clique no botão para que ele continue "
        "como está."
    ),
    "stop_email_done_title": "A alteração foi interrompida",
    "stop_email_done": "{email} continua sendo o endereço de e-mail da sua conta.",
    "stop_email_advice": "Se não foi você que pediu, alguém pode conhecer a sua senha: defina uma nova.",
    "stop_email_over_title": "Não há alteração para interromper",
    "stop_email_over": "Ela já foi interrompida, expirou ou foi feita.",
    "stop_email_over_help": "Se ela foi feita e não foi você, entre em contato com um administrador imediatamente.",
    "stop_email_over_help_support": "Se ela foi feita e não foi você, entre em contato com o suporte imediatamente.",
    # Mails.
    "mail_greeting": "Olá, {name}.",
    "mail_greeting_plain": "Olá.",
    "mail_link_hint": "Se o botão não funcionar, abra este endereço:",
    "mail_link_expires": "O link funciona uma única vez, até {expires}.",
    "mail_ignore": "Se você não esperava este e-mail, pode ignorá-lo. Nada muda.",
    "mail_not_you": "Se não foi você, defina uma nova senha imediatamente e entre em contato com {brand}.",
    "mail_not_me": (
        "Se não foi você que se cadastrou, outra pessoa usou o seu endereço: abra o link e escolha “Não fui eu”. "
        "Isso encerra a senha, os segundos fatores, as chaves de API e as sessões da conta."
    ),
    "mail_contact": "Se não foi você, entre em contato com {brand} imediatamente.",
    "mail_time": "Horário",
    "mail_browser": "Navegador",
    "mail_address": "Endereço IP",
    "mail_account": "Conta",
    "mail_name": "Nome",
    "mail_key": "Chave de API",
    "mail_not_your_key": (
        "Se você não conhece esta chave, revogue-a imediatamente, defina uma nova senha e entre em contato com {brand}."
    ),
    "mail_by": "Por",
    "mail_by_command_line": "Linha de comando do servidor",
    "mail_webhook": "Webhook",
    "mail_invitation_subject": "Seu convite para {brand}",
    "mail_invitation_text": "Foi criada uma conta para {email}. Escolha uma senha e ela estará pronta para uso.",
    "mail_password_reset_subject": "Defina uma nova senha para {brand}",
    "mail_password_reset_text": "Alguém pediu uma nova senha para {email}. Se foi você, defina-a aqui.",
    "mail_email_confirmation_subject": "Confirme seu endereço de e-mail para {brand}",
    "mail_email_confirmation_text": "Confirme que {email} é o seu endereço de e-mail.",
    "mail_email_change_subject": "Confirme seu novo endereço de e-mail para {brand}",
    "mail_email_change_text": "Confirme que {email} é o novo endereço de e-mail da sua conta.",
    "mail_sign_in_link_subject": "Entrar em {brand}",
    "mail_sign_in_link_text": "Com este link você entra como {email}. Não o repasse: quem o abrir entra no seu lugar.",
    "mail_email_changed_subject": "Seu endereço de e-mail para {brand} mudou",
    "mail_email_changed_text": (
        "{email} não é mais o endereço de e-mail da sua conta. A partir de agora, nossos e-mails vão "
        "para o novo endereço."
    ),
    "mail_new_device_subject": "Novo acesso a {brand}",
    "mail_new_device_text": "Alguém entrou na sua conta {email} com um navegador que ainda não tinha sido usado nela.",
    "mail_key_created_subject": "Nova chave de API para {brand}",
    "mail_key_created_text": "Foi criada uma chave de API para a sua conta {email}.",
    "mail_key_expiring_subject": "Sua chave de API para {brand} expira em breve",
    "mail_key_expiring_text": (
        "A chave de API “{key}” funciona até {expires}. Crie uma nova antes disso e passe a usá-la."
    ),
    "mail_webhook_disabled_subject": "Seu webhook de {brand} está desativado",
    "mail_webhook_disabled_text": (
        "Nada mais é enviado ao seu webhook {webhook}. Os eventos são guardados e serão enviados quando você o retomar."
    ),
    "mail_webhook_failing": "Nenhuma entrega teve sucesso em cinco dias.",
    "mail_webhook_gone": "O destino respondeu que não existe mais (410).",
    "mail_webhook_rights": "A pessoa a quem ele pertence, ou que o configurou, perdeu o direito a ele.",
    "mail_second_factor_removed_subject": "Seu segundo fator para {brand} foi removido",
    "mail_second_factor_removed_text": (
        "Um segundo fator foi removido da sua conta {email}. Você pode configurar um novo quando entrar."
    ),
    "mail_guesses_exhausted_subject": "Muitas tentativas de acesso à sua conta em {brand} falharam",
    "mail_guesses_exhausted_text": (
        "Senhas ou códigos incorretos foram informados 100 vezes seguidas para a sua conta {email}. Para "
        "protegê-la, agora só funcionam os navegadores em que você já entrou, as chaves de acesso e os códigos "
        "de recuperação, até que você entre com um deles. Se não conseguir, defina uma nova senha ou entre em "
        "contato com {brand}."
    ),
    "mail_email_change_requested_subject": "Seu endereço de e-mail em {brand} está prestes a mudar",
    "mail_email_change_requested_text": (
        "Alguém pediu para dar outro endereço de e-mail à sua conta {email}. Se foi você, não é preciso fazer "
        "nada aqui. Se não, interrompa a alteração com este link."
    ),
    "mail_password_changed_subject": "Sua senha em {brand} foi alterada",
    "mail_password_changed_text": "Uma nova senha foi definida para a sua conta {email}.",
    "mail_second_factor_added_subject": "Um segundo fator em {brand} foi adicionado",
    "mail_second_factor_added_text": (
        "Um segundo fator foi adicionado à sua conta {email}. A partir de agora, ele será pedido quando você entrar."
    ),
    "mail_recovery_codes_created_subject": "Novos códigos de recuperação em {brand}",
    "mail_recovery_codes_created_text": (
        "Novos códigos de recuperação foram criados para a sua conta {email}. Os anteriores não funcionam mais."
    ),
    "mail_test_subject": "E-mail de teste de {brand}",
    "mail_test_text": "Este e-mail foi enviado para testar as configurações de e-mail. Elas funcionam.",
    # Error pages.
    "title_400": "Solicitação inválida",
    "title_401": "Entre na sua conta",
    "title_403": "Você não tem acesso",
    "title_404": "Página não encontrada",
    "title_405": "Não permitido",
    "title_408": "O tempo limite foi atingido",
    "title_413": "Dados demais",
    "title_429": "Solicitações demais",
    "title_503": "Temporariamente indisponível",
    "title_other": "Algo deu errado",
    "advice_form": "Abra a página novamente e use o formulário dela.",
    "advice_link": "Verifique o endereço ou vá para a página de entrada.",
    "advice_wait": "Aguarde um momento e tente novamente.",
    "advice_other": "Tente novamente. Se o problema persistir, informe o ID da solicitação abaixo.",
    "request_id": "ID da solicitação",
    # What can be wrong. The English sentences are those that actions raise, by which the others are found.
    "error_retry": "{what} Tente novamente em {time}.",
    "error_wrong_password": "O e-mail ou a senha está incorreto.",
    "error_own_password": "Senha incorreta.",
    "error_wrong_code": "O código está incorreto ou já foi usado.",
    "error_guesses_passwords": (
        "Foram informadas muitas senhas incorretas. Defina uma nova ou use um navegador em que você já entrou."
    ),
    "error_guesses_codes": (
        "Foram informados muitos códigos incorretos. Use um código de recuperação, uma chave de acesso ou um "
        "navegador em que você já entrou."
    ),
    "error_code_required": "É necessário um código do segundo fator.",
    "error_passkey": "Esta chave de acesso não foi aceita. Recarregue a página e tente mais uma vez.",
    "error_attempts": "Muitas tentativas sem sucesso.",
    "error_rate_limit": "Muitas solicitações em pouco tempo.",
    "error_suspended": "Esta conta está suspensa. Entre em contato com um administrador.",
    "error_role": "Esta conta não tem permissão para entrar aqui.",
    "error_foreign_form": (
        "Este formulário foi enviado de outro site. Abra a página neste servidor e envie o formulário novamente."
    ),
    "error_busy": "O servidor está ocupado. Tente novamente em instantes.",
    "error_unavailable": "O serviço está temporariamente indisponível.",
    "error_storage": "No momento, nada pode ser salvo. Nada foi alterado.",
    "error_limits": "No momento, as solicitações não podem ser atendidas. Nada foi feito.",
    "error_stopping": "O servidor está sendo desligado.",
    "error_not_found": "O recurso solicitado não foi encontrado.",
    "error_too_large": "Foram enviados dados demais.",
    "error_too_slow": "A solicitação demorou demais para chegar.",
    "error_unexpected": "Ocorreu um erro inesperado no servidor.",
    "error_last_owner": "O último proprietário não pode ser removido.",
    "error_no_deletion": "Esta conta não pode ser excluída aqui.",
    "error_email_taken": "Este e-mail já está em uso.",
    "error_email_long": "O e-mail é longo demais.",
    "error_email": "Este e-mail não é válido.",
    "error_name_blank": "O nome está em branco.",
    "error_name_long": "O nome tem mais de {n} caracteres.",
    "error_name_controls": "O nome contém um caractere de controle ou uma quebra de linha.",
    "error_password_short": "A senha tem menos de {n} caracteres.",
    "error_password_long": "A senha tem mais de {n} caracteres.",
    "error_password_empty": "Digite a senha.",
    "error_password_surrogate": "A senha contém um caractere inválido.",
    "error_password_is_email": "A senha é igual ao e-mail.",
    "error_password_is_name": "A senha é igual ao nome.",
    "error_password_common": "A senha é comum demais e seria fácil de adivinhar.",
    "error_password_word": "A senha é uma palavra comum com dígitos ou sinais e seria fácil de adivinhar.",
    "error_password_about_user": (
        "A senha é formada pelo seu nome, pelo seu e-mail ou pelo nome deste servidor e seria fácil de adivinhar."
    ),
    "error_password_repeats": "A senha repete poucos caracteres e seria fácil de adivinhar.",
    "error_password_breached": "A senha foi encontrada em um vazamento de dados. Escolha outra.",
    "error_password_hash": "A senha é o hash de uma senha. Escolha outra.",
}
