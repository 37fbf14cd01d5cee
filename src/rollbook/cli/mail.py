"""`rollbook mail`: try the settings of mail."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from rollbook import machine
from rollbook.actions import mails
from rollbook.cli import options
from rollbook.cli.output import Failure, Misuse, as_json, hint
from rollbook.config import LanguageCode, load
from rollbook.delivery import mails as mail_delivery
from rollbook.delivery import outcomes
from rollbook.first_start import with_stored
from rollbook.mailing import MailFrom

app = options.group("Try the settings of mail.")


@options.command(
    app,
    "test",
    options.argument("address", "ADDRESS"),
    options.option(
        "--kind",
        f"Kind of mail, about someone made up: {', '.join(mail_delivery.KINDS)}. [default: test]",
        metavar="KIND",
        type=click.Choice(list(mail_delivery.KINDS)),
    ),
    options.option(
        "--language",
        f"Its language: {', '.join(get_args(LanguageCode))}. [default: the setting language]",
        metavar="LANGUAGE",
        type=click.Choice(get_args(LanguageCode)),
    ),
    options.JSON,
    options.file("--config", "FILE", "Settings file."),
    options.DATA,
)
def test(address: str, kind: str | None, language: Any, json: bool, config: Path | None, data: Path | None) -> None:
    """Send a mail to an address with the settings of this server, and say what the mail server answered.

    It is sent at once, whether the server is running or not. A server that was started with other options is tried on
    its page /admin/server/mail.
    """
    configured, _ = load({"data": data}, file=config)
    settings = with_stored(configured)
    if not settings.sends_mail:
        raise Failure(
            "Mail is not set up. An owner can do this at /admin/server/mail, or set smtp, mail_from and public_url: "
            "see docs/mail.md. This command doesn't know the options of a running server. Test its mail on that page."
        )
    try:
        if MailFrom.parse(address).email != address:
            raise ValueError
    except ValueError:
        raise Misuse(f"{address!r} is not an email address.") from None
    for problem in mails.problems(settings):
        hint(f"Template {problem.file}: {problem.why}.")
    sent = machine.run(mails.send_sample(settings, kind or "test", address, language or settings.language))
    if json:
        as_json({"outcome": sent.outcome, "detail": sent.detail})
    if sent.outcome != outcomes.DELIVERED:
        description = outcomes.describe_mail(sent.outcome)
        raise Failure(f"{description}{f' {sent.detail}' if sent.detail else ''} (outcome {sent.outcome})")
    if not json:
        hint(f"The mail server accepted a mail to {address}. Look for it in the inbox, or among the spam.")
