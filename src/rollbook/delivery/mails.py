"""Mails: which kind is sent when, what it says, the message that it becomes, in which nothing of a user's can become
another header, and its templates: the built-in design, and files of a folder that replace it.

Templates are rendered in a sandbox, with values that are plain text, lists and numbers. A file that can't be rendered,
or leaves out the link that the mail is sent for, is not used: the built-in one is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rollbook import clock, colors, languages, logos
from rollbook.auth import tokens
from rollbook.config import LanguageCode, Settings
from rollbook.delivery.foreign_text import harmless
from rollbook.mailing import NOTICES, MailFrom
from rollbook.records import events
from rollbook.records.events import Actor, Event

if TYPE_CHECKING:
    from email.headerregistry import Address
if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment


LOGO = "cid:logo"
"""Source of the logo in the HTML (RFC 2392): it comes with the mail, so that nothing is loaded."""


class MailForm(NamedTuple):
    """Form of a kind of mail. Its texts are `mail_KIND_subject` and `mail_KIND_text` of each language."""

    button: str = ""
    """Key of the text of the link's button; empty: there is none."""
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    """Facts that are listed."""


_LINK = ("mail_link_expires", "mail_ignore")

KINDS: dict[str, MailForm] = {
    "invite": MailForm("accept_invitation", _LINK),
    "reset_password": MailForm("set_password", _LINK),
    "verify_email": MailForm("confirm_email", ("mail_link_expires", "mail_not_me"), ("account", "name")),
    "change_email": MailForm("confirm_email", _LINK, ("account", "name")),
    "sign_in": MailForm("sign_in", _LINK),
    "email_change_requested": MailForm("stop_email_change", ("mail_link_expires", "mail_not_you"), ("time",)),
    "email_changed": MailForm("", ("mail_contact",), ("time",)),
    "password_changed": MailForm("", ("mail_not_you",), ("by", "time")),
    "new_device": MailForm("", ("mail_not_you",), ("browser", "address", "time")),
    "key_created": MailForm("show_key", ("mail_not_your_key",), ("key", "by", "time")),
    "key_expiring": MailForm("show_key"),
    "webhook_disabled": MailForm("show_webhook", (), ("webhook", "time")),
    "second_factor_added": MailForm("", ("mail_not_you",), ("by", "time")),
    "second_factor_removed": MailForm("", ("mail_not_you",), ("by", "time")),
    "recovery_codes_created": MailForm("", ("mail_not_you",), ("by", "time")),
    "guesses_exhausted": MailForm("", (), ("time",)),
    "rule": MailForm(),
    "rule_report": MailForm("show_rule"),
    "rule_waiting": MailForm("show_rule", (), ("time",)),
    "rule_stopped": MailForm("show_rule", (), ("time",)),
    "import_waiting": MailForm("show_import", (), ("time",)),
    "test": MailForm(),
}
"""By name, in the order in which they are shown."""
WITH_TOKENS = ("invite", "reset_password", "verify_email", "change_email", "sign_in")
"""The kinds whose link uses a token: each is named like its purpose."""
REASONS = {
    "failing": "mail_webhook_failing",
    "gone": "mail_webhook_gone",
    "access_ended": "mail_webhook_access_ended",
}
"""The mail about a webhook that was disabled for another reason than a lost right."""


class Occasion(NamedTuple):
    """An event that may be worth a mail."""

    kind: str
    recipient: str = ""
    """Empty: the email that the user has, or to which the token leads."""
    facts: Mapping[str, str] = {}
    token_id: str = ""
    page: str = ""
    """Path of the page that the link leads to, for those who may sign in to the dashboard."""
    actor: Actor | None = None
    """Whoever did it, where the mail names them."""
    is_certain: bool = True
    """False: the token may have another deliverer."""
    expires_at: int | None = None
    data: Any = None
    job_id: str | None = None
    """The run of a rule that a report is about."""


class Facts(NamedTuple):
    """The content of a mail, whatever its language."""

    name: str
    email: str
    link: str = ""
    expires_at: int | None = None
    facts: Mapping[str, str] = {}
    data: Any = None
    """Data that the application gave with the token."""


def occasion(event: Event) -> Occasion | None:
    """The mail that an event is an occasion for, as far as the event alone can tell."""
    if event.is_erased or event.type not in TYPES or (event.type != "import.waiting" and events.is_of_import(event)):
        return None
    object: dict[str, Any] = msgspec.json.decode(event.object)
    return _OCCASIONS[event.type](event, object)


def _of_change(event: Event, object: dict[str, Any]) -> Occasion:
    facts = {"time": moment(event.created_at)}
    expires_at = clock.parse(object["expires_at"])
    return Occasion("email_change_requested", facts=facts, token_id=object["id"], expires_at=expires_at)


def _of_token(event: Event, object: dict[str, Any]) -> Occasion | None:
    is_certain = event.type == "token.created"
    if is_certain and object.get("send") is not True:
        return None
    return Occasion(
        object["purpose"],
        token_id=object["id"],
        is_certain=is_certain,
        expires_at=clock.parse(object["expires_at"]),
        data=object.get("data"),
    )


def _of_user(event: Event, object: dict[str, Any]) -> Occasion | None:
    old = None if event.before is None else msgspec.json.decode(event.before).get("email")
    if not old or old == object.get("email"):
        return None
    return Occasion("email_changed", recipient=old, facts={"time": moment(event.created_at)})


def _of_session(event: Event, object: dict[str, Any]) -> Occasion | None:
    if object.get("new_device") is not True:
        return None
    facts = {"user_agent": str(object["user_agent"]), "address": str(object["address"] or "")}
    return Occasion("new_device", facts={**facts, "time": moment(event.created_at)})


def _of_key(event: Event, object: dict[str, Any]) -> Occasion | None:
    facts = {"key": f"{harmless(object['name'])} ({object['masked']})".strip(), "time": moment(event.created_at)}
    page = f"/account/keys/{object['id']}"
    if event.type == "key.created":
        return Occasion("key_created", facts=facts, page=page, actor=event.actor)
    facts["expires"] = moment(clock.parse(object["expires_at"]))
    return Occasion("key_expiring", facts=facts, page=page)


def _of_webhook(event: Event, object: dict[str, Any]) -> Occasion | None:
    # Not its URL: whoever created it has chosen where that leads.
    facts = {"webhook": str(object["id"]), "reason": str(object["status_reason"]), "time": moment(event.created_at)}
    return Occasion("webhook_disabled", facts=facts, page=f"/admin/webhooks/{object['id']}")


def _of_password(event: Event, object: dict[str, Any]) -> Occasion | None:
    is_own_first = object.get("first_password") is True and event.actor.user_id == event.user_id
    return None if is_own_first or object["status"] == "invited" else _done("password_changed", event)


def _of_factor(event: Event, object: dict[str, Any]) -> Occasion:
    return _done(_OF_FACTORS[event.type], event)


def _done(kind: str, event: Event) -> Occasion:
    return Occasion(kind, facts={"time": moment(event.created_at)}, actor=event.actor)


_OF_FACTORS = {
    "second_factor.activated": "second_factor_added",
    "second_factor.removed": "second_factor_removed",
    "second_factor.lifted": "second_factor_removed",
    "second_factor.codes_regenerated": "recovery_codes_created",
}


def _of_guesses(event: Event, object: dict[str, Any]) -> Occasion | None:
    return Occasion("guesses_exhausted", facts={"time": moment(event.created_at)})


def _of_rule(event: Event, object: dict[str, Any]) -> Occasion | None:
    if not event.user_id or object.get("webhook_id"):
        return None
    if event.type == "rule.mailed":
        return Occasion("rule", facts={"subject": object["subject"], "text": object["text"]})
    noun, _, what = event.type.partition(".")
    kind = "rule_report" if what == "reported" else f"{noun}_{what}"
    count = next((object[name] for name in ("people", "waiting_count", "absent_users") if object.get(name)), 0)
    name = harmless(object.get("name", "")) or object["id"]
    facts = {"rule": name, "people": f"{count:,}", "time": moment(event.created_at)}
    return Occasion(kind, facts=facts, page=f"/admin/{noun}s/{object['id']}", job_id=object.get("job_id"))


_OCCASIONS = {
    "token.created": _of_token,
    "token.requested": _of_token,
    "token.email_change_requested": _of_change,
    "user.updated": _of_user,
    "user.guesses_exhausted": _of_guesses,
    "user.password_changed": _of_password,
    "session.created": _of_session,
    "key.created": _of_key,
    "key.expiring": _of_key,
    "webhook.disabled": _of_webhook,
    **dict.fromkeys(_OF_FACTORS, _of_factor),
    **dict.fromkeys(("rule.mailed", "rule.reported", "rule.waiting", "rule.stopped", "import.waiting"), _of_rule),
}
TYPES = frozenset(_OCCASIONS)
"""Types of events that mails are sent about."""


def is_wanted(settings: Settings, occasion: Occasion) -> bool:
    """Test whether the settings want mails of this kind."""
    return occasion.kind not in NOTICES or occasion.kind in settings.mail_notices


def values(kind: str, settings: Settings, code: LanguageCode, about: Facts) -> dict[str, Any]:
    """The variables of a template. They are documented in docs/mail.md."""
    form, language = KINDS[kind], languages.language(code)
    name = "" if kind == "test" else harmless(about.name)  # a test of samples goes to someone real
    facts = {"brand": settings.brand_name, "email": about.email, "name": name, **about.facts}
    if about.expires_at is not None:
        facts["expires"] = moment(about.expires_at)
    paragraphs = [part.strip() for part in language.t(f"mail_{kind}_text", **facts).split("\n\n") if part.strip()]
    if kind == "webhook_disabled":
        paragraphs.append(language.t(REASONS.get(facts["reason"], "mail_webhook_rights")))
    if kind == "email_change_requested" and code != settings.language:
        # Whoever asks for a change chooses its language, and may not be the reader.
        paragraphs.append(languages.language(settings.language).t(f"mail_{kind}_text", **facts))
    return {
        "kind": kind,
        "language": code,
        "subject": " ".join(language.t(f"mail_{kind}_subject", **facts).split()),
        "heading": language.t(f"mail_{kind}_subject", **facts),
        "greeting": "" if kind == "rule" else language.t("mail_greeting" if name else "mail_greeting_plain", name=name),
        "paragraphs": paragraphs,
        "button": language.t(form.button) if about.link and form.button else "",
        "link": about.link,
        "link_hint": language.t("mail_link_hint"),
        "details": [(language.t(f"mail_{detail}"), facts[detail]) for detail in form.details if facts.get(detail)],
        "notes": [language.t(key, **facts) for key in form.notes if key != "mail_link_expires" or "expires" in facts],
        "name": name,
        "email": about.email,
        "expires": facts.get("expires", ""),
        "data": about.data,
        "brand": settings.brand_name,
        "logo": LOGO if logo(settings.brand_logo) is not None else "",
        "support": settings.brand_support,
        "support_label": language.t("contact_support"),
        "url": settings.url,
        **colors.of_mail(settings.brand_color)._asdict(),
    }


def logo(setting: str) -> bytes | None:
    """The brand's logo, if it is one that mail programs show: a PNG image."""
    try:
        image = logos.read(setting)
    except ValueError:
        return None
    return image.content if image is not None and image.kind == logos.PNG else None


def moment(at: int) -> str:
    """`2023-10-27 10:00 UTC`: the same in all languages."""
    return f"{datetime.fromtimestamp(at // clock.SECOND, UTC):%Y-%m-%d %H:%M} UTC"


def samples(settings: Settings, kind: str) -> Facts:
    """Made-up facts, for previews and checks of templates."""
    at = clock.parse("2023-10-27T10:00:00Z")
    facts = {
        "account": "alice@example.com",
        "time": moment(at),
        "browser": "Firefox on Linux",
        "address": "203.0.113.7",
        "key": "billing service (rbk_Exam…TtmI)",
        "expires": moment(at + 7 * clock.DAY),
        "by": "Bob Builder",
        "webhook": "wbh_0123456789abcdefghijklmnop",
        "rule": "Suspend who is inactive",
        "people": "1,204",
        "subject": "Still there, Alice Wonderland?",
        "text": "Please sign in within 14 days.",
        "reason": "failing",
    }
    link = tokens.link_url(settings.url, kind, "example-0123456789") if kind in WITH_TOKENS else ""
    if not link and KINDS[kind].button:
        link = f"{settings.url}/account"
    return Facts("Alice Wonderland", "alice@example.com", link, at + clock.DAY, facts, {"plan": "pro"})


class UnfitAddress(Exception):
    """An address that the mail server can't handle."""


class Letter(NamedTuple):
    """A mail to one recipient."""

    recipient: str
    subject: str
    text: str
    html: str
    language: str
    id: str
    """ID of the event it is about, or one of its own: the same on every try."""
    created_at: int
    """The time when the event was recorded, in microseconds."""
    logo: bytes | None = None
    """A PNG image, for HTML that shows it."""
    table: bytes = b""
    """A CSV file that comes with it."""


def sendable(email: str, has_utf8: bool) -> str:
    """An address as it is sent. Internationalized domains are sent as A-labels, which every server understands; what is
    before the @ has no such form (RFC 6531). Raises Unfit."""
    local, _, domain = email.rpartition("@")
    if not local.isascii() and not has_utf8:
        raise UnfitAddress(email)
    return f"{local}@{ascii_host(domain)}"


def ascii_host(host: str) -> str:
    """A host name as the DNS has it. Raises Unfit."""
    if host.isascii():
        return host
    import idna

    try:
        return idna.encode(host, uts46=True).decode()
    except UnicodeError:
        raise UnfitAddress(host) from None


def needs_utf8(*emails: str) -> bool:
    """Test whether the server must have SMTPUTF8 to send from and to these."""
    return not all(email.rpartition("@")[0].isascii() for email in emails)


def written(letter: Letter, sender: MailFrom, reply_to: MailFrom | None, host: str, has_utf8: bool) -> bytes:
    """The message (RFC 5322). `host` makes its ID unique. Raises Unfit."""
    from email.message import EmailMessage
    from email.policy import SMTP, SMTPUTF8

    utf8 = has_utf8 and needs_utf8(letter.recipient, sender.email, *([reply_to.email] if reply_to else ()))
    policy = SMTPUTF8 if utf8 else SMTP
    # What is parsed as an address or a line of text can't hold a line break: `EmailMessage` refuses it.
    message = EmailMessage(policy=policy)
    message["From"] = _mailbox(sender, has_utf8)
    message["To"] = _mailbox(MailFrom("", letter.recipient), has_utf8)
    if reply_to is not None:
        message["Reply-To"] = _mailbox(reply_to, has_utf8)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(letter.created_at // clock.SECOND, UTC))
    message["Message-ID"] = f"<{letter.id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no one's holiday notice answers it
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    if letter.logo is not None and LOGO in letter.html:
        html = message.get_body(("html",))
        assert isinstance(html, EmailMessage)  # what was just added
        html.add_related(letter.logo, "image", "png", cid=f"<{LOGO.removeprefix('cid:')}>", disposition="inline")
    if letter.table:
        message.add_attachment(letter.table, maintype="text", subtype="csv", filename="report.csv")
    message["Content-Language"] = letter.language
    return message.as_bytes()


def _mailbox(sender: MailFrom, has_utf8: bool) -> Address:
    from email.headerregistry import Address

    # Not `addr_spec`, which is parsed, and refuses what is not ASCII.
    username, _, domain = sendable(sender.email, has_utf8).rpartition("@")
    return Address(sender.name, username, domain)


logger = logging.getLogger("rollbook")

FOLDER = Path(__file__).parent / "mail"
LAYOUT = "layout"
MAX_SIZE = 262_144
"""Characters of a rendered file. Some mail programs cut off more than 100 KB."""
SUBJECT, TEXT, HTML = "subject.txt", "txt", "html"
PARTS = (SUBJECT, TEXT, HTML)
_NAME = re.compile(r"(?P<kind>[a-z_]+)(?:\.(?P<language>[a-z]{2}))?\.(?P<part>subject\.txt|txt|html)").fullmatch


class Broken(Exception):
    """A template that can't be used. The message says why, without values of the mail."""


class TemplateProblem(NamedTuple):
    """A file of the folder that is not used, and why."""

    file: str
    why: str


class Rendered(NamedTuple):
    subject: str
    text: str
    html: str


class Templates:
    """Templates with those of a folder before the built-in ones."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None
        self._told: set[str] = set()

    def rendered(self, kind: str, language: LanguageCode, values: Mapping[str, Any]) -> Rendered:
        """The parts of a mail. `values` are those of `docs/mail.md`."""
        return Rendered(*(self._part(kind, language, part, values) for part in PARTS))

    def problems(self, samples: Mapping[str, Mapping[str, Any]], languages: Collection[str]) -> list[TemplateProblem]:
        """Files of the folder that are not used. `samples` are values for each kind of mail."""
        if self._folder is None:
            return []
        try:
            names = sorted(path.name for path in self._folder.iterdir() if path.is_file() and path.name[0] != ".")
        except OSError as problem:
            return [TemplateProblem(str(self._folder), f"can't be read: {problem.strerror}")]
        return [TemplateProblem(name, why) for name in names for why in self._faults(name, samples, languages)]

    def _faults(self, name: str, samples: Mapping[str, Mapping[str, Any]], languages: Collection[str]) -> Iterator[str]:
        parts = _NAME(name)
        if parts is None or (parts["kind"] not in (*samples, LAYOUT)):
            yield "not the name of a template, so it has no effect"
            return
        if parts["language"] is not None and parts["language"] not in languages:
            yield f"there is no language {parts['language']}, so it has no effect"
            return
        kinds = samples if parts["kind"] == LAYOUT else (parts["kind"],)
        for kind in kinds:
            try:
                _checked(self._environment(), name, parts["part"], samples[kind])
            except Broken as problem:
                yield f"{problem}. The built-in one is used"
                return

    def _part(self, kind: str, language: LanguageCode, part: str, values: Mapping[str, Any]) -> str:
        for name in self._own(kind, language, part):
            try:
                return _checked(self._environment(), name, part, values)
            except Broken as problem:
                if name not in self._told:
                    self._told.add(name)
                    logger.warning("mail_templates: %s: %s; the built-in one is used", name, problem)
        if part == SUBJECT:
            return str(values["subject"])
        return _checked(_built_in(), f"{LAYOUT}.{part}", part, values)

    def _own(self, kind: str, language: LanguageCode, part: str) -> Iterator[str]:
        """Files that there are for it, the most specific first."""
        if self._folder is not None:
            for name in (kind, LAYOUT):
                for file in (f"{name}.{language}.{part}", f"{name}.{part}"):
                    if (self._folder / file).is_file():
                        yield file

    def _environment(self) -> SandboxedEnvironment:
        assert self._folder is not None
        return _environment(self._folder)


def _checked(environment: SandboxedEnvironment, name: str, part: str, values: Mapping[str, Any]) -> str:
    """Raises Broken."""
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        text = environment.get_template(name).render(values)
    except TemplateSyntaxError as problem:
        raise Broken(f"line {problem.lineno}: {problem.message}") from None
    except TemplateError as problem:  # names a variable, or what the sandbox refuses
        raise Broken(str(problem.message).rstrip(".")) from None
    except (OSError, UnicodeDecodeError):
        raise Broken("can't be read as UTF-8") from None
    except Exception as problem:  # whatever a template does; its message may hold values of the mail
        raise Broken(f"rendering fails with {type(problem).__name__}") from None
    if len(text) > MAX_SIZE:
        raise Broken(f"more than {MAX_SIZE} characters")
    if part == SUBJECT:
        return " ".join(text.split()) or _refuse("the subject is empty")
    link = values["link"]
    if link and (escape(link) if part == HTML else link) not in text:
        raise Broken("the link is missing: write {{ link }}")
    return text


def _refuse(why: str) -> str:
    raise Broken(why)


@cache
def _built_in() -> SandboxedEnvironment:
    return _environment(FOLDER)


@cache
def _environment(folder: Path) -> SandboxedEnvironment:
    # Imported here: a server that sends no mail starts faster without Jinja2.
    from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(FOLDER)]),
        autoescape=lambda name: name is None or name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
