"""API keys over the API."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Struct, UnsetType

from rollbook import errors, roles
from rollbook.actions import keys
from rollbook.actions.arguments.keys import KeyCreate, KeyRotation, KeyUpdate, ListKeys
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.actions.keys import IssuedKey, KeyPage
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import CHECKS, FOUND, PROOF, Route, delete, get, patch, post
from rollbook.http.request import Response
from rollbook.records import examples
from rollbook.records import keys as key_records
from rollbook.records.examples import CHARLIE_ID
from rollbook.schemas import array, identifier, moment, open_enum, says


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key. `key`, the key itself, is only returned when you create, rotate or reveal it."""

    id: Annotated[str, identifier("ID of the API key.", examples.KEY_ID)]
    user_id: Annotated[str, identifier("ID of the user it belongs to.", CHARLIE_ID)]
    name: Annotated[str, says("What the key is used for.", minLength=1, examples=["billing service"])]
    kind: Annotated[str, open_enum(roles.KEY_KINDS, "Where the key works.")]
    status: Annotated[str, open_enum(key_records.STATUSES, "Whether the key works.")]
    masked: Annotated[str, says("The beginning and end of the key, to tell keys apart.", examples=["rbk_Exam…TtmI"])]
    scopes: (
        Annotated[
            tuple[Annotated[str, open_enum(roles.SCOPES, "A scope.")], ...],
            array("The scopes of the key. Null: everything its user can do.", 32),
        ]
        | None
    )
    ip_allow: (
        Annotated[
            tuple[Annotated[str, says("An IP address or network.")], ...],
            array("IP addresses and networks that can use the key. Null: any.", 64),
        ]
        | None
    )
    rate_limit: (
        Annotated[str, says("Rate limit, or `none`. Null: the default applies.", examples=["1000/minute"])] | None
    )
    audiences: (
        Annotated[
            tuple[Annotated[str, says("An audience.", examples=[examples.AUDIENCE])], ...],
            array("The audiences for which the key creates, verifies, lists and ends sessions. Null: any.", 16),
        ]
        | None
    )
    revealable: Annotated[bool, says("Whether the key can be revealed again.")]
    created_at: Annotated[str, moment("When it was created.")]
    expires_at: Annotated[str, moment("When the key expires. Null: never.", "2024-10-27T10:00:00Z")] | None
    last_used_at: Annotated[str, moment("When the key was last used, accurate to a few seconds. Null: never.")] | None
    revoked_at: Annotated[str, moment("When the key was revoked. Null: it was not revoked.")] | None
    created_by: (
        Annotated[
            str,
            identifier(
                "ID of the user it goes back to: who created it or, if it was created with a key, who created that. "
                "Null: the command line, or not known. Not in events and the export of a user's data.",
                CHARLIE_ID,
            ),
        ]
        | None
        | UnsetType
    ) = UNSET
    created_with: (
        Annotated[str, identifier("ID of the API key it was created with. Null: none, or not known.", examples.KEY_ID)]
        | None
        | UnsetType
    ) = UNSET
    key: Annotated[str, says("The API key itself.", examples=[examples.KEY_TEXT])] | UnsetType = UNSET
    user_name: Annotated[str, says("Name of its user. Only with `user=all`. Null: deleted.")] | None | UnsetType = UNSET
    user_email: Annotated[str, says("Email of its user. Only with `user=all`. Null: deleted.")] | None | UnsetType = (
        UNSET
    )
    user_kind: (
        Annotated[str, open_enum(roles.USER_KINDS, "Kind of its user. Only with `user=all`. Null: deleted.")]
        | None
        | UnsetType
    ) = UNSET


def _key(key: key_records.Key) -> dict[str, Any]:
    """A key with its origin, which neither events nor the export of a person's data have."""
    return {**key_records.public(key), "created_by": key.created_by or None, "created_with": key.created_with}


def show_key_list(call: Call, page: KeyPage) -> Response:
    shown = [_key(key) for key in page.keys]
    if page.users is not None:
        people = [page.users.get(key.user_id) for key in page.keys]
        shown = [
            key | {"user_name": user and user.name, "user_email": user and user.email, "user_kind": user and user.kind}
            for key, user in zip(shown, people, strict=True)
        ]
    after = call.query.offset + len(shown)
    link = take.after(call, after) if shown and after < page.total else b""
    return show.answer(200, shown, show.total(page.total) + link)


def show_key(call: Call, key: key_records.Key) -> Response:
    return show.answer(200, _key(key))


def show_key_revealed(call: Call, issued: IssuedKey) -> Response:
    return show.answer(200, {**_key(issued.key), "key": issued.token})


def show_key_created(call: Call, issued: IssuedKey) -> Response:
    return show.created(call, f"/v1/keys/{issued.key.id}", show_key_revealed(call, issued))


ROWS: dict[str, list[Route]] = {
    "/v1/keys": [
        get(keys.list_keys, "keys:read", ListKeys, list[Key], show_key_list).but(errors=FOUND),
        post(keys.create, "keys:write", KeyCreate, Key, show_key_created).but(
            success=201, errors=(errors.NotFound, errors.KeyLimitReached)
        ),
    ],
    "/v1/keys/{keyId}": [
        get(keys.get, "keys:read", None, Key, show_key),
        patch(keys.update, "keys:write", KeyUpdate, Key, show_key).but(errors=(*PROOF, errors.WrongCode)),
        delete(keys.revoke, "keys:write"),
    ],
    "/v1/keys/{keyId}/reveal": [
        post(keys.reveal, "keys:write", PasswordProof, Key, show_key_revealed).but(
            errors=(*PROOF, errors.WrongCode), special=CHECKS
        ),
    ],
    "/v1/keys/{keyId}/rotate": [
        post(keys.rotate, "keys:write", KeyRotation, Key, show_key_created).but(
            success=201, errors=(errors.KeyLimitReached,)
        ),
    ],
}
