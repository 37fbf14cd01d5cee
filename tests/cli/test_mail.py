"""`rollbook mail test`, and what `rollbook doctor` says of mail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.command import rollbook
from tests.cli.test_doctor import examine, states
from tests.harness import running
from tests.mail_server import MailServer


def test_a_mail_is_sent_to_try_the_settings(mail: MailServer, tmp_path: Path) -> None:
    done = rollbook("mail", "test", "ada@example.com", "--data", str(tmp_path / "data"), **mail.settings())
    assert done.returncode == 0 and "accepted a mail to ada@example.com" in done.stderr, done.stderr
    assert mail.wait_for_mail("ada@example.com").subject == "Test email from Rollbook"
    done = rollbook(
        *("mail", "test", "eva@example.com", "--kind", "invite", "--language", "fr", "--json"), **mail.settings()
    )
    assert json.loads(done.stdout) == {"outcome": "delivered", "detail": None}
    assert mail.wait_for_mail("eva@example.com").subject == "Votre invitation à Rollbook"
    assert not (tmp_path / "data").exists()


def test_a_token_of_a_folder_is_mailed_by_its_server_and_where_none_runs_that_is_said(
    mail: MailServer, tmp_path: Path
) -> None:
    data = ("--data", str(tmp_path / "data"))
    rollbook("users", "create", "--name", "Ida", "--email", "ida@example.com", "--status", "invited", *data)
    create = ("tokens", "create", "ida@example.com", "--purpose", "invite", "--send", *data)
    done = rollbook(*create)
    assert done.returncode == 2 and "set ROLLBOOK_SMTP" in done.stderr and "--url" in done.stderr, done.stderr
    settings = mail.settings()
    done = rollbook(*create, **settings)
    assert done.returncode == 0 and "No server runs here" in done.stderr, done.stderr
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    with running(tmp_path / "data", *flags, cheap=False):
        assert mail.wait_for_mail("ida@example.com")
        done = rollbook(*create, **settings)
        assert done.returncode == 0 and "The server mails it" in done.stderr, done.stderr


def test_what_the_mail_server_answers_is_told(mail: MailServer) -> None:
    mail.answer_recipient = lambda address: "550 No such user"
    done = rollbook("mail", "test", "ada@example.com", **mail.settings())
    assert done.returncode == 1
    assert done.stderr == (
        "rollbook: The mail server answered with 550. It is not retried. 550 No such user (outcome smtp_550)\n"
    )
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({}, 1, "Mail is not set up. An owner can do this at /admin/server/mail, or set smtp"),
        ({}, 1, "doesn't know the options of a running server. Test its mail on that page"),
        ({**mail.settings(), "smtp_ca": ""}, 1, "The certificate was not accepted"),
        ({**mail.settings(), "smtp": mail.url.replace("word", "ward")}, 1, "(outcome login_failed)"),
    ]
    for settings, code, why in wrong:
        done = rollbook("mail", "test", "ada@example.com", **settings)
        assert done.returncode == code and why in done.stderr, done.stderr
        assert "pass w" not in done.stderr and "pass%20w" not in done.stderr
    done = rollbook("mail", "test", "Ada <ada@example.com>", **mail.settings())
    assert done.returncode == 2 and "is not an email address" in done.stderr


def test_the_doctor_signs_in_to_the_mail_server_and_reads_the_templates(mail: MailServer, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    _, found, whole = examine(tmp_path / "data", mail_templates=str(folder), **mail.settings())
    assert states(found, "mail") == ["ok"] and "signed in as rollbook" in found["mail"][0]["found"]
    assert not found.get("mail_templates") and "pass" not in json.dumps(whole["settings"][0:200]).replace(
        "password", ""
    )
    (folder / "invite.html").write_text("{{ nobody }}")
    (folder / "invitatoin.txt").write_text("")
    _, found, _ = examine(tmp_path / "data", mail_templates=str(folder), **{**mail.settings(), "smtp_ca": ""})
    assert states(found, "mail") == ["warning"] and "certificate was not accepted" in found["mail"][0]["found"]
    assert [finding["found"] for finding in found["mail_templates"]] == [
        "invitatoin.txt: not the name of a template, so it has no effect",
        "invite.html: 'nobody' is undefined. The built-in one is used",
    ]
    assert not mail.to("ada@example.com")[2:], "nothing is sent"
