"""The deliverer of a one-time token that someone has asked for: a webhook that names the event, or else the server's
own mail."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import roles
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.tokens import SEALED
from rollbook.auth import tokens
from rollbook.config import Settings
from rollbook.records import token_deliveries, users
from rollbook.records.token_deliveries import REQUESTED, Carrier
from rollbook.records.webhooks import CHATS, INBOX, MAIL_ID, Webhook
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
    if webhook.format in CHATS:
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


async def deliverer(queries: Queries, settings: Settings, role: str) -> Carrier | None:
    """The webhook that delivers tokens of users with this role: the oldest that carries them and whose owner could
    create them, or else that of the mail. None: no one does."""
    for carrier in await token_deliveries.carriers(queries):
        if may_make(carrier.role, role):
            return carrier
    return MAIL if settings.sends_mail else None


async def carried(on: Rollbook, token_id: str, webhook_id: str) -> CarriedToken | None:
    """The token that this webhook is to deliver now. None: it has ended or was delivered, another one delivers it, or
    the webhook's owner could no longer create it."""
    found = await on.read(token_deliveries.carried, token_id, webhook_id)
    if found is None or found.user_status == "suspended":
        return None
    if webhook_id != MAIL_ID and (
        found.owner_status != "active" or not may_make(found.owner_role or "", found.user_role)
    ):
        return None
    try:
        token = on.secret.unseal(SEALED, found.sealed, token_id.encode()).decode()
    except ValueError:  # the server's secret has changed since
        return None
    url = tokens.link_url(on.settings.url, found.purpose, token)
    return CarriedToken(
        token=token,
        url=url,
        email=found.email,
        purpose=found.purpose,
        redirect_url=found.redirect_url,
        language=found.language,
        data=found.data,
        expires_at=found.expires_at,
    )
