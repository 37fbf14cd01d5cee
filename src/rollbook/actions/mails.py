"""Mails: which one an event leads to, and what it says; previews, mails that only try the settings, and the log."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from rollbook import clock, ids, languages
from rollbook.actions import sessions, token_requests
from rollbook.actions.arguments.rules import FILLED
from rollbook.actions.context import ListPage, Rollbook
from rollbook.actions.permissions import known, require, require_oneself
from rollbook.actions.principal import CLI, Principal
from rollbook.auth import tokens
from rollbook.config import LanguageCode, Settings
from rollbook.delivery import mails, outcomes
from rollbook.delivery.foreign_text import harmless
from rollbook.delivery.mails import Facts, Letter, Occasion, Rendered, TemplateProblem, Templates
from rollbook.delivery.sender import Sent
from rollbook.delivery.smtp import TIMEOUTS, Mailer
from rollbook.errors import InvalidParameter, TooManyRequests
from rollbook.limits import windows
from rollbook.mailing import MailServer
from rollbook.quota import Limit
from rollbook.records import one_time_tokens, user_languages, users, webhooks
from rollbook.records.events import Event
from rollbook.records.user_rules import decoded
from rollbook.records.users import User
from rollbook.records.webhooks import deliveries
from rollbook.records.webhooks.deliveries import Delivery, DeliveryFilters
from rollbook.roles import APPLICATION, ON_ALL

logger = logging.getLogger("rollbook")

SCOPE = "metrics:read"
"""The scope of the server page, which admins and owners have."""
TESTS = Limit.parse("5/minute,20/hour")
"""Mails that try the settings, of each person."""
TEST_SECONDS = 20.0
NOT_SET_UP = "Mail is not set up. An owner can do this at /admin/server/mail, or with the setting smtp."


class Mail(NamedTuple):
    """A mail that is to be sent."""

    kind: str
    recipient: str
    language: LanguageCode
    facts: Facts


async def about(on: Rollbook, event: Event, occasion: Occasion) -> Mail | str:
    """The mail for an event as things stand now, or the outcome that says why there is none."""
    user = await users.by_id(on.db, event.user_id)
    if user is None:
        return outcomes.OBSOLETE
    if user.kind == APPLICATION:
        return outcomes.NOTHING
    if occasion.kind in mails.WITH_TOKENS:
        return await _with_link(on, user, occasion)
    if occasion.kind == "rule":
        return Mail("rule", user.email, await _language(on, user), _filled(on, user, occasion.facts))
    if occasion.kind == "rule_report" and "users:read" not in ON_ALL[user.role]:
        return outcomes.OBSOLETE
    if user.status == "invited" or (user.status == "suspended" and not occasion.recipient):
        return outcomes.NOTHING
    link, language = _page(on, user, occasion), await _language(on, user)
    if occasion.token_id:
        open = {token.id: token for token in await one_time_tokens.of_user(on.db, user.id)}
        if (token := open.get(occasion.token_id)) is None:  # what the link would stop has ended
            return outcomes.OBSOLETE
        link = tokens.stop_url(on.settings.url, on.secret, user.id, token.id, token.language)
        language = await _language(on, user, token.language)
    recipient = occasion.recipient or user.email
    facts = Facts(user.name, recipient, link, occasion.expires_at, await _facts(on, occasion, language))
    return Mail(occasion.kind, recipient, language, facts)


def _filled(on: Rollbook, user: User, texts: Mapping[str, str]) -> Facts:
    """Texts of a rule's author about a user. What could lead somewhere is left out of the user's fields."""
    fields = {
        "user.name": harmless(user.name),
        "user.email": user.email,
        "user.ends_at": "" if user.ends_at is None else clock.format_time(user.ends_at)[:10],
        "brand": on.settings.brand_name,
        "link": f"{on.settings.url}/account",
    }
    for key, value in decoded(user.metadata).items():
        fields[f"user.metadata.{key}"] = harmless(str(value)) if isinstance(value, str | int | float) else ""
    filled = {name: FILLED.sub(lambda part: fields.get(part[1].strip(), ""), text) for name, text in texts.items()}
    return Facts(user.name, user.email, facts=filled)


def _page(on: Rollbook, user: User, occasion: Occasion) -> str:
    """The page that a notice links to; empty if there is none that they may open."""
    return on.settings.url + occasion.page if occasion.page and user.role in on.settings.sign_in_roles else ""


async def _language(on: Rollbook, user: User, code: str | None = None) -> LanguageCode:
    """The language of a mail: that of the token it is about, or in which the user last used the pages."""
    code = code or await user_languages.of_user(on.db, user.id)
    return languages.named(code or "") or on.settings.language


async def _facts(on: Rollbook, occasion: Occasion, code: LanguageCode) -> dict[str, str]:
    facts, actor, language = dict(occasion.facts), occasion.actor, languages.language(code)
    if "user_agent" in facts:
        browser = harmless(sessions.name_in(language, facts.pop("user_agent")))
        facts["browser"] = browser or language.t("unknown_browser")
    if actor is not None and actor.user_id:
        facts["by"] = harmless(await users.name(on.db, actor.user_id) or "") or actor.user_id
    elif actor is not None and actor.address == CLI.address:
        facts["by"] = language.t("mail_by_command_line")
    return facts


async def _with_link(on: Rollbook, user: User, occasion: Occasion) -> Mail | str:
    carried = await token_requests.carried(on, occasion.token_id, webhooks.MAIL_ID)
    if carried is None:  # it has ended or, where someone asked for it, a webhook delivers it
        return outcomes.OBSOLETE if occasion.is_certain else outcomes.NOTHING
    account = {"account": user.email}
    facts = Facts(user.name, carried.email, carried.url, occasion.expires_at, account, occasion.data)
    return Mail(occasion.kind, carried.email, await _language(on, user, carried.language), facts)


def letter(settings: Settings, templates: Templates, mail: Mail, id: str, created_at: int) -> Letter:
    """`id` and `created_at` are those of the event."""
    parts, logo = _rendered(settings, templates, mail), mails.logo(settings.brand_logo)
    return Letter(mail.recipient, *parts, mail.language, id, created_at, logo)


def _rendered(settings: Settings, templates: Templates, mail: Mail) -> Rendered:
    values = mails.values(mail.kind, settings, mail.language, mail.facts)
    return templates.rendered(mail.kind, mail.language, values)


# ---- templates


def templates(settings: Settings) -> Templates:
    return _templates(settings.mail_templates)


@cache
def _templates(folder: str) -> Templates:
    return Templates(folder)


def preview(on: Rollbook, by: Principal, kind: str, language: LanguageCode | None) -> Rendered:
    """A mail about someone made up. Raises InsufficientScope."""
    require(by, SCOPE)
    return _preview(on, _sample(on.settings, kind, "", language or on.settings.language))


async def preview_of_rule(on: Rollbook, by: Principal, texts: Mapping[str, str]) -> Rendered:
    """The mail of a rule with this `subject` and `text`, to whoever asks. Raises InsufficientScope."""
    require(by, "rules:write")
    user = await users.get(on.db, by.user_id)
    return _preview(on, Mail("rule", user.email, await _language(on, user), _filled(on, user, texts)))


def _preview(on: Rollbook, mail: Mail) -> Rendered:
    rendered = _rendered(on.settings, templates(on.settings), mail)
    logo = mails.logo(on.settings.brand_logo)
    if logo is None:
        return rendered
    image = "data:image/png;base64," + b64encode(logo).decode()
    return rendered._replace(html=rendered.html.replace(mails.LOGO, image))


def problems(settings: Settings) -> list[TemplateProblem]:
    """Templates of the folder that can't be used. The built-in ones are used instead."""
    if not settings.mail_templates:
        return []
    samples = {
        kind: mails.values(kind, settings, settings.language, mails.samples(settings, kind)) for kind in mails.KINDS
    }
    return templates(settings).problems(samples, languages.NAMES)


def _sample(settings: Settings, kind: str, recipient: str, language: LanguageCode) -> Mail:
    return Mail(kind, recipient, language, mails.samples(settings, kind))


# ---- trying the settings


async def send_test(
    on: Rollbook, by: Principal, kind: str, language: LanguageCode | None, tried: Settings | None = None
) -> Sent:
    """Send a mail about someone made up to whoever asks for it, and to no one else; with other settings if some are
    `tried`, which an owner would store. Raises InsufficientScope, InvalidParameter, TooManyRequests."""
    require(by, SCOPE)
    require_oneself(by)
    settings = tried or on.settings
    if not settings.sends_mail:
        raise InvalidParameter(NOT_SET_UP)
    verdict = await on.limiter.take(f"mail-tests:{by.user_id}", TESTS, clock.now())
    if not verdict.admitted:
        raise TooManyRequests(windows.retry_after(verdict))
    recipient = (await users.get(on.db, by.user_id)).email
    # A task of its own: the timeouts of the connection need one, and requests are answered without.
    sent = await asyncio.create_task(send_sample(settings, kind, recipient, language or settings.language))
    server = MailServer.parse(settings.smtp).address
    logger.info("%s has sent a test mail through %s: %s", by.user_id, server, sent.outcome)
    return sent


async def send_sample(settings: Settings, kind: str, recipient: str, language: LanguageCode) -> Sent:
    """Send a mail about someone made up, over a connection of its own."""
    mailer = Mailer(settings, TIMEOUTS._replace(total=TEST_SECONDS))
    mail = _sample(settings, kind, recipient, language)
    try:
        return await mailer.send(letter(settings, templates(settings), mail, ids.new("msg"), clock.now()))
    finally:
        await mailer.close()


# ---- the log


async def list_attempts(on: Rollbook, by: Principal, limit: int, before: str | None = None) -> ListPage[Delivery]:
    """Attempts to send mails, newest first, before the one with this ID. Raises InsufficientScope, NotFound."""
    require(by, SCOPE)
    filters = DeliveryFilters(before=None if before is None else known("dlv", before))
    batch = await on.read_aside(deliveries.some, webhooks.MAIL_ID, filters, limit + 1)
    return ListPage(batch[:limit], more=len(batch) > limit)
