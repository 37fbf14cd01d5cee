"""One user as they were at a time, or before or after an event, beside what they are now."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from rollbook import clock
from rollbook.actions import audit, history, users
from rollbook.api.show import for_people
from rollbook.errors import InvalidParameter, NotFound, NotInLog
from rollbook.http.response import Response
from rollbook.records import users as user_records
from rollbook.records.user_history import UserAsOf
from rollbook.web import forms
from rollbook.web.page_request import PageRequest

LABELS = {"at": "The time"}
NAMES = {
    **{each.name: each.label for each in forms.PLAIN_FIELDS},
    "id": "User ID",
    "email_verified": "Email is verified",
    "rate_limit": "Rate limit",
    "created_at": "Created",
    "updated_at": "Updated",
    "last_sign_in_at": "Last sign-in",
}
"""The names of fields on the page, where they are not just their own."""

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Row(NamedTuple):
    """A field then and now, a time in microseconds. None: the log doesn't tell, or the user has been deleted."""

    label: str
    then: str | int | None
    now: str | int | None

    @property
    def has_changed(self) -> bool:
        return self.then is not None and self.now is not None and self.then != self.now


async def show(page: PageRequest) -> Response:
    """Raises NotFound."""
    id, before = page.ids[0], page.query.get("before", "")
    at = before or page.sent_utc(page.query.get("at", "").strip())
    user = await _now(page)
    found, refused = None, None
    problems: dict[str, str] = {}
    try:
        if at:
            found = await history.as_of(page.on, page.by, id, at, bool(before))
    except InvalidParameter as error:
        problems, refused = forms.problems(page, error, LABELS), error
    except (NotFound, NotInLog) as error:
        problems, refused = {"": forms.sentence(error, page.language)}, error
    event = await audit.get(page.on, page.by, at) if found is not None and at.startswith("evt_") else None
    return page.render(
        "admin/user_as_of.html",
        200 if refused is None else refused.status,
        section="admin/users",
        id=id,
        user=user,
        given="" if at.startswith("evt_") else at,
        time=clock.parse(at) if found is not None and event is None else None,
        event=event,
        is_before=bool(before),
        rows=_rows(found, user) if found is not None else [],
        problems=problems,
    )


async def _now(page: PageRequest) -> user_records.User | None:
    """The user; None: they have been deleted since. Raises NotFound for one who is gone for good."""
    try:
        return await users.get(page.on, page.by, page.ids[0])
    except NotFound:
        if await page.on.read(user_records.deleted, page.ids[0]) is None:
            raise
        return None


def _rows(found: UserAsOf, user: user_records.User | None) -> list[Row]:
    now = {} if user is None else _fields(_encode(user_records.complete(user)))
    rows = [
        Row(
            NAMES.get(name, name.replace("_", " ").capitalize()),
            _value(name, found.fields.get(name)),
            _value(name, now.get(name)),
        )
        for name in (*found.fields, *found.unknown)
    ]
    return sorted(rows, key=lambda row: not row.has_changed)


def _value(name: str, value: msgspec.Raw | None) -> str | int | None:
    if value is None:
        return None
    document = bytes(value)
    if document.startswith(b"{"):
        return for_people(document).decode() if document != b"{}" else "none"
    decoded = msgspec.json.decode(document)
    if name.endswith("_at") and decoded:
        return clock.parse(decoded)
    return {None: "none", True: "yes", False: "no", "": "none"}.get(decoded, str(decoded))
