"""Requests for one-time tokens by people who are not known yet, such as on a page for forgotten passwords.

No one may learn from one whether an account exists. So a request does the same for every email: it is counted, and
stored. A job makes the token a moment later, if there is a user who can have one. No token is shown to whoever asks:
it is delivered to the user, by the server's own mail or a webhook.

The deliverer of a one-time token that someone has asked for: a webhook that names the event, or else the server's
own mail.
"""

from __future__ import annotations

import asyncio
import logging
from hashlib import sha256
from typing import NamedTuple

from rollbook import clock, roles
from rollbook.actions import creators
from rollbook.actions import tokens as token_actions
from rollbook.actions.arguments.tokens import TokenRequest
from rollbook.actions.checking import given, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.tokens import SEALED
from rollbook.auth import tokens
from rollbook.config import Settings
from rollbook.errors import Overloaded
from rollbook.limits.policy import networks
from rollbook.quota import Limit
from rollbook.records import events, one_time_tokens, rules, users
from rollbook.records.one_time_tokens import REQUESTED, Carrier, RequestedToken, Token, WaitingRequest
from rollbook.records.users import User
from rollbook.records.webhooks import INBOX, MAIL_ID, WITHOUT_TOKENS, Webhook
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries, Tx

DECIDING = frozenset({"url", "types", "format", "payload", "user_id"})
"""Fields of a webhook that decide who is sent tokens: setting them takes the right to create tokens."""
ROLES = tuple(role for role in roles.ROLES if {"tokens:create", "users:grant"} <= roles.ON_ALL[role])
"""Roles whose webhooks can carry tokens."""
MAIL = Carrier(MAIL_ID, "owner", "", None, None)


class CarriedToken(NamedTuple):
    """A token on its way."""

    token: str
    url: str
    email: str
    """The address it is sent to: the user's, or for a change the new one."""
    purpose: str
    redirect_url: str
    language: str | None
    data: str | None
    """JSON, of the application."""
    expires_at: int


def carries(webhook: Webhook) -> bool:
    """Test whether a webhook asks for tokens: by the name of the event, so that no one gets them unasked."""
    return REQUESTED in webhook.types.split()


def check(by: Principal, webhook: Webhook) -> None:
    """Check a webhook that may ask for tokens, and that its creator could create those tokens. Raises InvalidParameter,
    InsufficientScope, ProofRequired."""
    if not carries(webhook):
        return
    if webhook.url == INBOX:
        refuse("url", f"must not be {INBOX} for {REQUESTED}: its deliveries carry tokens. Use token.* instead")
    if webhook.format in WITHOUT_TOKENS:
        refuse("format", f"must be standard or cloudevents for {REQUESTED}: its deliveries carry tokens")
    if webhook.payload != "full":
        refuse("payload", f"must be full for {REQUESTED}: its deliveries carry tokens")
    require(by, "tokens:create")
    require(by, "users:grant")
    require_proof(by)


async def check_owner(tx: Tx, webhook: Webhook) -> None:
    """Check that its owner could create those tokens, too. Raises InvalidParameter."""
    if carries(webhook):
        owner = await users.by_id(tx, webhook.user_id)
        if owner is None or owner.role not in ROLES:
            refuse("types", f"must not name {REQUESTED} unless its user has one of these roles: {', '.join(ROLES)}")


def may_make(role: str, for_role: str) -> bool:
    """Test whether a user with this role can create tokens for one with the other."""
    return role in ROLES and (role == "owner" or for_role != "owner")


async def find_deliverer(queries: Queries, settings: Settings, role: str) -> Carrier | None:
    """The webhook that delivers tokens of users with this role: the oldest that carries them and whose owner could
    create them, or else that of the mail. None: no one does."""
    for carrier in await one_time_tokens.carriers(queries):
        if may_make(carrier.role, role):
            return carrier
    return MAIL if settings.sends_mail else None


async def carried(on: Rollbook, token_id: str, webhook_id: str) -> CarriedToken | None:
    """The token that this webhook is to deliver now. None: it has ended or was delivered, another one delivers it, or
    the webhook's owner could no longer create it."""
    record = await on.read(one_time_tokens.carried, token_id, webhook_id)
    if record is None or record.user_status == "suspended":
        return None
    if webhook_id != MAIL_ID and (
        record.owner_status != "active" or not may_make(record.owner_role or "", record.user_role)
    ):
        return None
    try:
        token = on.secret.unseal(SEALED, record.sealed, token_id.encode()).decode()
    except ValueError:  # the server's secret has changed since
        return None
    url = tokens.link_url(on.settings.url, record.purpose, token, record.language)
    return CarriedToken(
        token=token,
        url=url,
        email=record.email,
        purpose=record.purpose,
        redirect_url=record.redirect_url,
        language=record.language,
        data=record.data,
        expires_at=record.expires_at,
    )


logger = logging.getLogger("rollbook")

MAX_WAITING = 10_000
"""Requests that wait. Beyond it, others are refused, whoever they are about."""
BATCH = 64
TOO_OLD = clock.DAY
"""Age at which a request that could not be worked off is dropped: its person has asked again long since."""


async def request_token(on: Rollbook, by: Principal, request: TokenRequest) -> None:
    """Request a one-time token

    For forms in which people who are not signed in enter their email, such as for a forgotten password. The answer is
    always 202, and takes the same time whether there is such a user or not. If there is, and they can use such a token,
    it is sent to them: by Rollbook, if it sends mail, or by your application, with a webhook that names the event
    `token.requested` in its `types`. Send the `address` of the person: then each address has a limit, too.
    Beyond the limits, nothing is sent. An invited user who forgot their password gets an invitation.
    """
    require(by, "tokens:create")
    if request.purpose == "sign_in" and by.caller.audiences is not None:
        if await on.read(find_deliverer, on.settings, "member") == MAIL_ID:
            refuse("purpose", f"can't be sign_in without a webhook for {REQUESTED}: {token_actions.NOT_MAILED}")
    await ask(on, by, request, None)


async def ask(on: Rollbook, by: Principal, request: TokenRequest, address: str | None) -> None:
    """Request a one-time token for a caller who may ask for anyone. `address` is that of the person, unless they say
    another one. Raises InvalidParameter, Overloaded."""
    redirect_url = token_actions.check(on.settings, given(request.redirect_url))
    address = given(request.address, address)
    actor = by.actor if address is None else by.actor._replace(address=address)
    is_admitted = on.is_dry or await admits(on, request.email, address)
    pending = RequestedToken(
        email=str(request.email),
        purpose=request.purpose,
        redirect_url=redirect_url,
        language=given(request.language),
        actor=actor,
        asked_at=clock.now(),
        is_admitted=is_admitted,
        audiences=token_actions.audiences_of(by),
    )
    id = one_time_tokens.new_request_id()
    sealed = on.secret.seal(token_actions.SEALED, one_time_tokens.encode_request(pending), id.encode())
    await on.write(_add, id, sealed)


async def _add(tx: Tx, id: str, sealed: bytes) -> None:
    if await one_time_tokens.count_requests(tx) >= MAX_WAITING:
        raise Overloaded()
    await one_time_tokens.add_request(tx, id, sealed)


async def admits(on: Rollbook, email: str, address: str | None) -> bool:
    """Test whether an email and an address are within their limits, and count them. Beyond one of them, nothing is
    counted."""
    settings, now = on.settings, clock.now()
    name = sha256(rules.email_key(email).encode()).hexdigest()[:32]
    of_networks = [] if address is None else networks(address)
    counted: list[tuple[str, Limit, int]] = []
    for bucket, limit in [
        (f"token-email:{name}", settings.token_email_limit),
        *((f"token-{network.bucket}", network.limit(settings.token_address_limit)) for network in of_networks),
    ]:
        verdict = await on.limiter.take(bucket, limit, now)
        if not verdict.admitted:
            for taken in counted:
                await on.limiter.give_back(*taken[:2], now, taken[2])
            return False
        counted.append((bucket, limit, verdict.at))
    return True


# ---- a moment later


async def work_off(on: Rollbook) -> bool:
    """Make the tokens of some of the requests that wait. Several processes may do it at once. Returns whether there is
    more."""
    waiting = await on.read(one_time_tokens.oldest_requests, BATCH)
    done = await asyncio.gather(*(_work_off(on, request) for request in waiting), return_exceptions=True)
    for problem in done:
        if isinstance(problem, BaseException):
            raise problem
    return len(waiting) == BATCH


async def _work_off(on: Rollbook, waiting: WaitingRequest) -> None:
    """One. Whatever is wrong with it, it does not stay for ever."""
    try:
        opened = on.secret.unseal(token_actions.SEALED, waiting.sealed, waiting.id.encode())
        request = one_time_tokens.decode_request(opened)
    except ValueError:  # the server's secret has changed since
        request = None
    if request is None or not request.is_admitted or request.asked_at < clock.now() - TOO_OLD:
        await on.db.write(one_time_tokens.take_request, waiting.id)
    elif await on.db.write(_make, on, waiting.id, request, tokens.mint()) is None:
        logger.warning("a user has asked for a token, and nothing delivers it: set smtp, or create a webhook for it")


async def _make(tx: Tx, on: Rollbook, id: str, request: RequestedToken, text: str) -> bool | None:
    """The token, if its user can have it. None if they could, but no one delivers it."""
    if not await one_time_tokens.take_request(tx, id):
        return False
    user = await users.by_email(tx, request.email)
    purpose = None if user is None else _purpose(user, request.purpose)
    if user is None or purpose is None:
        return False
    deliverer = await find_deliverer(tx, on.settings, user.role)
    if deliverer is None:
        return None
    lifetime = token_actions.lifetime(on.settings, purpose)
    new = token_actions.record(
        text,
        user.id,
        purpose,
        lifetime,
        redirect_url=request.redirect_url,
        language=request.language,
        audiences=request.audiences,
        origin=creators.of_delivered(deliverer, user.id),
    )
    new = token_actions.to_deliver(on.secret, new, text, deliverer.webhook_id)
    token = await token_actions.add(tx, request.actor, user, new)
    await events.record(tx, REQUESTED, user.id, request.actor, _told(token))
    return True


def _told(token: Token) -> dict[str, str | None]:
    """Content of the event."""
    return {
        "id": token.id,
        "user_id": token.user_id,
        "purpose": token.purpose,
        "redirect_url": token.redirect_url or None,
        "expires_at": clock.format_time(token.expires_at),
    }


def _purpose(user: User, purpose: str) -> str | None:
    """The purpose of the token that a user gets who asks for this one. None: they can use none."""
    if user.status == "suspended" or user.kind == APPLICATION:
        return None
    if user.status == "invited":
        return purpose if purpose == "verify_email" else "invite"
    return None if purpose == "invite" else purpose
