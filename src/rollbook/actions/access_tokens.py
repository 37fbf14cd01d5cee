"""Signed access tokens of applications' sessions, and the life of the keys that sign them.

A key is published a day before it signs, so that whoever verifies tokens knows it by then, signs for 90 days, and stays
published until its last token has expired.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from rollbook import clock, ids
from rollbook.actions.context import Rollbook
from rollbook.auth import access_tokens
from rollbook.auth.access_tokens import KeyPair
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.records import signing_keys
from rollbook.records.signing_keys import SigningKey
from rollbook.storage.database import Tx

SEALED: Purpose = "signing"
LIFETIME = 5 * clock.MINUTE
SIGNS, ANNOUNCED = 90 * clock.DAY, clock.DAY
LEEWAY = clock.HOUR
"""Time a former key stays published after its last token has expired, for clocks that are slow."""


class AccessToken(NamedTuple):
    text: str
    expires_at: int


async def issue(on: Rollbook, user_id: str, session_id: str, audience: str, ends_at: int) -> AccessToken | None:
    """A token for a session that ends at this time; None where the setting is off."""
    if not on.settings.access_tokens:
        return None
    now = clock.now()
    expires_at = min(now + LIFETIME, ends_at)
    key, pair = await _signing(on, now)
    claims = {
        "iss": on.settings.url,
        "aud": audience,
        "sub": user_id,
        "sid": session_id,
        "iat": now // clock.SECOND,
        "exp": expires_at // clock.SECOND,
    }
    return AccessToken(access_tokens.sign(key.id, pair, claims), expires_at)


async def _signing(on: Rollbook, now: int) -> tuple[SigningKey, KeyPair]:
    """The newest key that signs. There may be none yet, or none that the server's secret opens."""
    found = _usable(on.secret, await signing_keys.newest_first(on.db), now)
    if found is None:
        found = await on.db.write(_add_first, on.secret, _new(on.secret, now))
    return found


async def _add_first(tx: Tx, secret: Secret, made: tuple[SigningKey, KeyPair]) -> tuple[SigningKey, KeyPair]:
    """Unless another server was faster."""
    key, _ = made
    found = _usable(secret, await signing_keys.newest_first(tx), key.signs_from)
    if found is None:
        await signing_keys.add(tx, key)
    return found or made


def _usable(secret: Secret, keys: list[SigningKey], now: int) -> tuple[SigningKey, KeyPair] | None:
    for key in keys:
        if key.signs_from <= now:
            try:
                return key, KeyPair(key.public, secret.unseal(SEALED, key.sealed, key.id.encode()))
            except ValueError:
                continue
    return None


def _new(secret: Secret, signs_from: int) -> tuple[SigningKey, KeyPair]:
    id, pair = ids.new("sgn"), access_tokens.new_key()
    sealed = secret.seal(SEALED, pair.private, id.encode())
    return SigningKey(id, pair.public, sealed, clock.now(), signs_from), pair


async def published(on: Rollbook) -> list[dict[str, str]]:
    """All public keys that verify tokens now, or will within a day, as JSON Web Keys."""
    return [access_tokens.public_jwk(key.id, key.public) for key in await signing_keys.newest_first(on.db)]


async def rotate(on: Rollbook) -> bool:
    """A job: announce the next key in time, and withdraw those that no token needs anymore."""
    now, found = clock.now(), await signing_keys.newest_first(on.db)
    if on.settings.access_tokens and found and found[0].signs_from + SIGNS - ANNOUNCED <= now:
        await on.db.write(_announce, found[0].id, _new(on.secret, now + ANNOUNCED)[0])
    past = now - LIFETIME - LEEWAY
    over = [old.id for newer, old in pairwise(found) if newer.signs_from <= past]
    if over:
        await on.db.write(signing_keys.remove, over)
    return False


async def _announce(tx: Tx, newest: str, key: SigningKey) -> None:
    """Unless another server was faster."""
    if (await signing_keys.newest_first(tx))[0].id == newest:
        await signing_keys.add(tx, key)


async def renew(on: Rollbook) -> str:
    """Replace all keys by a new one, which signs at once: tokens that the others have signed can no longer be verified
    by who reads the published keys. Returns its ID."""
    return await on.db.write(_renew, _new(on.secret, clock.now())[0])


async def _renew(tx: Tx, key: SigningKey) -> str:
    await signing_keys.add(tx, key)
    await signing_keys.remove_others(tx, key.id)
    return key.id
