"""What commands can do: API calls, which `folder.py` answers itself on a data folder, and `remote.py` has a running server answer."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote

from rollbook.auth.tokens import mint
from rollbook.cli.output import Failure, Refused, Unreachable, hint
from rollbook.errors import DatabaseTimeout, StorageUnavailable

if TYPE_CHECKING:
    from rollbook.cli.imports import Import

Shown = dict[str, Any]
PAGE = 1_000
LONGEST = 30
"""Seconds that a call waits for the next request of the log."""


class Answer(NamedTuple):
    """A successful response."""

    status: int
    value: Any
    """Its JSON; None for an empty body."""
    next: str = ""
    """The query of the next page."""
    position: str = ""
    """The place in the request log up to where a list of requests goes."""


class Exported(NamedTuple):
    """Users as a file."""

    position: str
    """Where to follow the event log from."""
    parts: Iterator[bytes]


class Backend(ABC):
    """All methods may raise ApiError with the message of the API, and Failure. What they return has the format of the API, with all fields."""

    place: str
    """The options to repeat in hints: `--data DIR`, `--url URL` or `--profile NAME`."""
    address: str
    """The URL of the server's API, as far as it is known."""
    is_operator: bool = False
    """Whether calls are made by the operator of the server, who is no user: there is no `me`, and no `current` key."""
    location: str
    """Where users are looked for, for people: a URL, or a database without its password."""

    @abstractmethod
    def ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Shown | None = None) -> Answer:
        """Have an API call answered."""

    @abstractmethod
    def events(self, filters: Mapping[str, str]) -> Iterator[Shown]:
        """Events as they happen, without end: those that `GET /v1/events/stream` sends with these filters and `after`. What is lost for
        a while is tried again, and no event is missed."""

    @abstractmethod
    def export(self, query: Mapping[str, str], with_hashes: bool) -> AbstractContextManager[Exported]:
        """What `GET /v1/exports` returns; with the hashes of passwords only on a data folder."""

    @abstractmethod
    def password_link(self, id: str, base: str | None, body: Shown) -> Shown:
        """`url` and `expires_at` of a setup or password reset link. `base` is the server's URL for people; None: from the settings. `body` is that of the call."""

    @abstractmethod
    def import_users(self, asked: Import) -> None:
        """Import a file, and note in `asked` what becomes of it. What was imported stays when it ends early."""

    @abstractmethod
    def close(self) -> None: ...

    def stranger(self, status: int) -> Failure:
        """The failure where an answer is not one of Rollbook."""
        return Failure(f"{self.location} answered {status}, but not like a Rollbook server. Check the URL.")

    # ---- answers of any kind

    def one(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Shown | None = None) -> Shown:
        """The object that a call returns."""
        answer = self.ask(method, path, query, body)
        if not isinstance(answer.value, dict):
            raise self.stranger(answer.status)
        return self.checked(answer.value, answer.status)

    def page(self, answer: Answer) -> list[Shown]:
        """The objects of a list."""
        if not isinstance(answer.value, list) or not all(isinstance(item, dict) for item in answer.value):
            raise self.stranger(answer.status)
        return [self.checked(item, answer.status) for item in answer.value]

    def checked(self, found: Shown, status: int) -> Shown:
        """The object as commands read it."""
        return found

    def all(self, path: str, query: Mapping[str, Any]) -> list[Shown]:
        """All pages of a list that has `limit` and `offset`."""
        found: list[Shown] = []
        while True:
            page = self.page(self.ask("GET", path, {**query, "limit": PAGE, "offset": len(found)}))
            found += page
            if len(page) < PAGE:
                return found

    def linked(self, path: str, query: Mapping[str, Any], limit: int | None) -> Iterator[Shown]:
        """A list whose pages link to the next one. `limit` None: all of it."""
        answer = self.ask("GET", path, {**query, "limit": PAGE if limit is None else min(limit, PAGE)})
        while True:
            page = self.page(answer)
            yield from page if limit is None else page[:limit]
            limit = None if limit is None else limit - len(page)
            if not answer.next or (limit is not None and limit <= 0):
                return
            # A server may use another host name for itself: take only the query.
            answer = self.ask("GET", path, dict(parse_qsl(answer.next, keep_blank_values=True)))

    # ---- users

    def users(self, filters: Mapping[str, str], limit: int | None, offset: int) -> Iterator[Shown]:
        """Users that match the filters of `GET /v1/users`, sorted by `sort`. `limit` None: all of them."""
        return self.linked("/v1/users", {**filters, "fields": "*", **({"offset": offset} if offset else {})}, limit)

    def count(self, filters: Mapping[str, str]) -> int:
        answer = self.ask("GET", "/v1/users/count", filters)
        count = answer.value.get("count") if isinstance(answer.value, dict) else None
        if not isinstance(count, int):
            raise self.stranger(answer.status)
        return count

    def user(self, named: str) -> Shown:
        """By email if it contains an @, otherwise by ID."""
        if "@" not in named:
            return self.one("GET", user_path(named))
        found = self.page(self.ask("GET", "/v1/users", {"email": named, "fields": "*"}))
        if not found:
            raise Failure(f"There is no user {named} ({self.location}).")
        return found[0]

    def create_user(self, fields: Shown) -> Shown:
        """Without `password`, the user has no password that anyone knows."""
        return self.one("POST", "/v1/users", {"fields": "*"}, {"password": mint(), **fields})

    def change_user(self, id: str, changes: Shown) -> Shown:
        return self.one("PATCH", user_path(id), {"fields": "*"}, changes)

    def set_password(self, id: str, password: str, current: str | None) -> None:
        """`current` is for users who change their own password."""
        proof = {} if current is None else {"current_password": current}
        self.ask("PUT", f"{user_path(id)}/password", None, {"password": password, **proof})

    def delete_user(self, id: str, purge: bool) -> None:
        self.ask("DELETE", user_path(id), {"purge": "true"} if purge else None)

    def act_on_user(self, id: str, verb: str) -> Shown:
        """`suspend`, `activate` or `restore`."""
        return self.one("POST", f"{user_path(id)}/{verb}", {"fields": "*"})

    # ---- API keys

    def keys(self, user_id: str) -> list[Shown]:
        """Oldest first."""
        return self.all("/v1/keys", {"user": user_id})

    def key(self, id: str) -> Shown:
        return self.one("GET", key_path(id))

    def current_key(self) -> Shown | None:
        """The key of these requests; None if it works, but may not read itself."""
        try:
            return self.key("current")
        except Refused as refused:
            if refused.code == "insufficient_scope":
                return None
            raise

    def create_key(self, user_id: str, fields: Shown) -> Shown:
        """The API key, with the secret in `key`."""
        return self.one("POST", "/v1/keys", None, {**fields, "user_id": user_id})

    def reveal_key(self, id: str, password: str) -> Shown:
        """The API key, with the secret in `key`. `password` is that of the user it belongs to."""
        return self.one("POST", f"{key_path(id)}/reveal", None, {"password": password})

    def rotate_key(self, id: str, overlap: int) -> Shown:
        """The new API key with its secret. The old one keeps working for `overlap` seconds."""
        return self.one("POST", f"{key_path(id)}/rotate", None, {"overlap": overlap})

    def revoke_key(self, id: str) -> None:
        self.ask("DELETE", key_path(id))

    # ---- sessions

    def sessions(self, user_id: str) -> list[Shown]:
        """Newest first."""
        return self.all("/v1/sessions", {"user": user_id})

    def usage(self, user_id: str | None, key_id: str | None, period: str) -> Shown:
        asked = {"user": user_id, "key": key_id, "period": period}
        return self.one("GET", "/v1/usage", {name: value for name, value in asked.items() if value})

    def end_session(self, id: str) -> None:
        self.ask("DELETE", f"/v1/sessions/{_segment(id)}")

    # ---- webhooks

    def webhooks(self, user_id: str | None) -> list[Shown]:
        """Oldest first."""
        return self.all("/v1/webhooks", {} if user_id is None else {"user": user_id})

    def webhook(self, id: str) -> Shown:
        return self.one("GET", webhook_path(id))

    def create_webhook(self, fields: Shown) -> Shown:
        """With its `secret`."""
        return self.one("POST", "/v1/webhooks", None, fields)

    def change_webhook(self, id: str, changes: Shown) -> Shown:
        return self.one("PATCH", webhook_path(id), None, changes)

    def delete_webhook(self, id: str) -> None:
        self.ask("DELETE", webhook_path(id))

    def pause_webhook(self, id: str) -> Shown:
        return self.one("POST", f"{webhook_path(id)}/pause")

    def resume_webhook(self, id: str, start: str) -> Shown:
        return self.one("POST", f"{webhook_path(id)}/resume", None, {"from": start})

    def rotate_webhook_secret(self, id: str, overlap: int) -> Shown:
        """With its new `secret`. Events are signed with the old one as well for `overlap` seconds."""
        return self.one("POST", f"{webhook_path(id)}/rotate-secret", None, {"overlap": overlap})

    def test_webhook(self, id: str, type: str | None) -> Shown:
        """The delivery."""
        return self.one("POST", f"{webhook_path(id)}/test", None, {} if type is None else {"type": type})

    def deliveries(self, id: str, filters: Mapping[str, Any]) -> list[Shown]:
        """Newest first."""
        return self.page(self.ask("GET", f"{webhook_path(id)}/deliveries", filters))

    def delivery(self, id: str, delivery_id: str) -> Shown:
        """With what was sent and answered."""
        return self.one("GET", f"{webhook_path(id)}/deliveries/{_segment(delivery_id)}")

    def resend(self, id: str, delivery_id: str) -> Shown:
        """The replay."""
        return self.one("POST", f"{webhook_path(id)}/deliveries/{_segment(delivery_id)}/resend")

    def create_replay(self, id: str, fields: Shown) -> Shown:
        return self.one("POST", f"{webhook_path(id)}/replays", None, fields)

    def replay(self, id: str, replay_id: str) -> Shown:
        return self.one("GET", f"{webhook_path(id)}/replays/{_segment(replay_id)}")

    # ---- the request log

    def request(self, id: str) -> Shown:
        return self.one("GET", f"/v1/requests/{_segment(id)}")

    def requests(self, filters: Mapping[str, Any], after: str | None) -> Iterator[Shown]:
        """Requests as they are logged, without end: from now on, or from the time `after`. What is lost for a while is tried again, and no
        request is missed."""
        position = after or self.ask("GET", "/v1/requests", {"limit": 1}).position
        pause = 1.0
        while True:
            query = {**filters, "order": "asc", "after": position, "limit": PAGE, "wait": LONGEST}
            try:
                answer = self.ask("GET", "/v1/requests", query)
            except (Unreachable, StorageUnavailable, DatabaseTimeout) as problem:
                hint(f"{problem} Trying again.")
                time.sleep(pause)
                pause = min(2 * pause, 30.0)
                continue
            pause = 1.0
            yield from self.page(answer)
            if not answer.position:
                raise self.stranger(answer.status)
            position = answer.position


def user_path(id: str) -> str:
    return f"/v1/users/{_segment(id)}"


def key_path(id: str) -> str:
    return f"/v1/keys/{_segment(id)}"


def webhook_path(id: str) -> str:
    return f"/v1/webhooks/{_segment(id)}"


def _segment(text: str) -> str:
    """The text as one segment of a path, escaped."""
    return quote(text, safe="")
