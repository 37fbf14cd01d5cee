"""The second factor in forms: what a person is asked for, and what they gave."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from rollbook.actions import passkeys, proof
from rollbook.actions.passkeys import PasskeyAnswer
from rollbook.actions.proof import GivenFactor
from rollbook.auth.passkeys import RelyingParty
from rollbook.http import origins
from rollbook.web.page_request import PageRequest

CODE, CREDENTIAL = "code", "credential"
"""Fields of a form."""


class AskedFactor(NamedTuple):
    """The values of `factor.html`."""

    has_app: bool
    """Without an authenticator app, only recovery codes can be typed."""
    passkey: str | None
    """Options for the browser, as JSON."""


def party(page: PageRequest) -> RelyingParty | None:
    """This server for passkeys; None where browsers have none for it: under an IP address, or without TLS."""
    origin = origins.for_passkeys(page.request, page.on.settings)
    return None if origin is None else RelyingParty(origin.host, str(origin))


async def asked(page: PageRequest, user_id: str, about: str) -> AskedFactor | None:
    """Ways in which this user can prove who they are; None if they have no second factor."""
    ways = await proof.ways(page.on, user_id)
    if ways is None:
        return None
    return AskedFactor(ways.has_app, await request(page, about, user_id) if ways.has_passkey else None)


async def request(page: PageRequest, about: str, user_id: str | None = None) -> str | None:
    """Options for a passkey of this user, or of anybody, as JSON."""
    ours = party(page)
    options = None if ours is None else await passkeys.request(page.on, ours, about, user_id)
    return None if options is None else as_json(options)


def as_json(options: dict[str, Any]) -> str:
    return msgspec.json.encode(options).decode()


def given(page: PageRequest, about: str, code: str = CODE, credential: str = CREDENTIAL) -> GivenFactor:
    """The factor in the form. `about` is what a passkey must have signed."""
    ours, signed = party(page), page.form.get(credential, "")
    if ours is not None and signed:
        return GivenFactor(passkey=PasskeyAnswer(ours, about, signed))
    return GivenFactor(page.form.get(code, "").strip())
