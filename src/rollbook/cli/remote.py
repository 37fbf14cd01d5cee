"""`Backend` for a running server, over its API."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import quote

import httpx2

from rollbook import __version__
from rollbook.auth.tokens import mint
from rollbook.cli.backends import Shown
from rollbook.cli.event_stream import Message, messages
from rollbook.cli.output import Failure, Refused, base_url, hint, program

PAGE = 1_000
TIMEOUT = 30.0  # seconds per response
TEXTS = ("id", "key", "url")  # fields that commands send back or take apart
SILENCE = 60.0  # seconds without a heartbeat after which a stream is lost
OBJECTS = ("health", "response")
PATIENCE = 60  # the longest Retry-After, in seconds, that a command waits for


class Remote:
    """`Backend` over HTTP. The server checks the key's permissions."""

    def __init__(self, url: str, key: str, profile: str | None = None) -> None:
        """`profile` is where URL and key come from. Raises Failure if the URL is invalid."""
        self.address = base_url(url)
        self.place = f"--url {self.address}" if profile is None else f"--profile {profile}"
        self._profile = profile
        try:
            self._http = httpx2.Client(
                base_url=self.address,
                headers={"Authorization": f"Bearer {key}", "User-Agent": f"rollbook-cli/{__version__}"},
                timeout=TIMEOUT,
            )
            scheme = self._http.base_url.scheme
        except (httpx2.InvalidURL, UnicodeEncodeError) as problem:
            raise Failure(f"--url or --key is invalid: {problem}") from None
        if scheme not in ("http", "https"):
            raise Failure(f"--url must start with http:// or https://, not {url!r}.")

    def close(self) -> None:
        self._http.close()

    def current_key(self) -> Shown | None:
        """The key of these requests; None if it works, but may not read itself."""
        try:
            return self._object(self._ask("GET", "/v1/keys/current"))
        except Refused as refused:
            if refused.code == "insufficient_scope":
                return None
            raise

    def users(self, filters: Mapping[str, str], limit: int | None, offset: int) -> Iterator[Shown]:
        size = PAGE if limit is None else min(limit, PAGE)
        answer = self._ask("GET", "/v1/users", params={**filters, "fields": "*", "limit": size, "offset": offset})
        while True:
            page = self._list(answer)
            yield from page if limit is None else page[:limit]
            limit = None if limit is None else limit - len(page)
            following = answer.links.get("next")
            if following is None or not page or (limit is not None and limit <= 0):
                return
            # The server may use another host name for itself: take only the query.
            try:
                query = httpx2.URL(following["url"]).params
            except httpx2.InvalidURL:
                raise self._stranger(answer) from None
            answer = self._ask("GET", "/v1/users", params=query)

    def count(self, filters: Mapping[str, str]) -> int:
        answer = self._ask("GET", "/v1/users/count", params=filters)
        count = self._object(answer)["count"]
        if not isinstance(count, int):
            raise self._stranger(answer)
        return count

    def user(self, named: str) -> Shown:
        if "@" not in named:
            return self._object(self._ask("GET", f"/v1/users/{_segment(named)}"))
        found = self._list(self._ask("GET", "/v1/users", params={"email": named, "fields": "*"}))
        if not found:
            raise Failure(f"There is no user {named} at {self.address}.")
        return found[0]

    def create_user(self, fields: Shown) -> Shown:
        # The API requires a password.
        return self._object(self._ask("POST", "/v1/users", params={"fields": "*"}, json={"password": mint(), **fields}))

    def change_user(self, id: str, changes: Shown) -> Shown:
        return self._object(self._ask("PATCH", f"/v1/users/{_segment(id)}", params={"fields": "*"}, json=changes))

    def set_password(self, id: str, password: str, current: str | None) -> None:
        proof = {} if current is None else {"current_password": current}
        self._ask("PUT", f"/v1/users/{_segment(id)}/password", json={"password": password, **proof})

    def password_link(self, id: str, base: str | None) -> Shown:
        if base is not None:
            raise Failure("--public-url and --url can't be combined: a running server knows its own public_url.")
        return self._object(self._ask("POST", f"/v1/users/{_segment(id)}/password-link"))

    def delete_user(self, id: str, purge: bool) -> None:
        self._ask("DELETE", f"/v1/users/{_segment(id)}", params={"purge": "true"} if purge else {})

    def restore_user(self, id: str) -> Shown:
        return self._object(self._ask("POST", f"/v1/users/{_segment(id)}/restore", params={"fields": "*"}))

    def keys(self, user_id: str) -> list[Shown]:
        found: list[Shown] = []
        while True:
            page = self._list(self._ask("GET", "/v1/keys", params={"user": user_id, "limit": PAGE, "offset": len(found)}))
            found += page
            if len(page) < PAGE:
                return found

    def create_key(self, user_id: str, fields: Shown) -> Shown:
        return self._object(self._ask("POST", "/v1/keys", json={**fields, "user_id": user_id}))

    def rotate_key(self, id: str, overlap: int) -> Shown:
        return self._object(self._ask("POST", f"/v1/keys/{_segment(id)}/rotate", json={"overlap": overlap}))

    def revoke_key(self, id: str) -> None:
        self._ask("DELETE", f"/v1/keys/{_segment(id)}")

    def events(self, filters: Mapping[str, str]) -> Iterator[Shown]:
        last_id, pause, connected = "", 1.0, False
        while True:
            try:
                with self._http.stream(
                    "GET", "/v1/events/stream", params=filters, headers=_last(last_id), timeout=SILENCE
                ) as answer:
                    self._check_stream(answer, connected)
                    for message in self._messages(answer) if answer.is_success else ():
                        connected, pause, last_id = True, 1.0, message.last_id or last_id
                        if message.data:
                            found = self._event(message, answer)
                            if message.type == "message":
                                yield found
            except httpx2.HTTPError as problem:
                if not connected:
                    raise Failure(self._silent(problem)) from None
            hint(f"The connection to {self.address} was lost. Connecting again.")
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, 30.0)

    def _check_stream(self, answer: httpx2.Response, connected: bool) -> None:
        """Raises Failure unless there is a stream, or there may be one soon."""
        if answer.is_success or (connected and answer.status_code in (429, 502, 503, 504)):
            return
        answer.read()
        raise self._refusal(answer)

    def _messages(self, answer: httpx2.Response) -> Iterator[Message]:
        try:
            yield from messages(answer.iter_raw())
        except ValueError:
            raise self._stranger(answer) from None

    def _event(self, message: Message, answer: httpx2.Response) -> Shown:
        """What a message holds. Raises Failure if it is the last one, unless connecting again helps."""
        try:
            found = json.loads(message.data)
        except (ValueError, RecursionError):
            raise self._stranger(answer) from None
        if not isinstance(found, dict):
            raise self._stranger(answer)
        found = self._checked(found, answer)
        if message.type == "end":
            if found["code"] not in ("request_timeout", "storage_unavailable", "overloaded"):
                raise Failure(str(found["error"]))
        elif not isinstance(found["object"], dict) or not isinstance(found["actor"], dict):
            raise self._stranger(answer)
        return found

    # ---- webhooks, which only a running server sends

    def webhooks(self, user_id: str | None) -> list[Shown]:
        found: list[Shown] = []
        chosen = {} if user_id is None else {"user": user_id}
        while True:
            page = self._list(self._ask("GET", "/v1/webhooks", params={**chosen, "limit": PAGE, "offset": len(found)}))
            found += page
            if len(page) < PAGE:
                return found

    def webhook(self, id: str) -> Shown:
        return self._object(self._ask("GET", f"/v1/webhooks/{_segment(id)}"))

    def create_webhook(self, fields: Shown) -> Shown:
        """With its `secret`."""
        return self._object(self._ask("POST", "/v1/webhooks", json=fields))

    def delete_webhook(self, id: str) -> None:
        self._ask("DELETE", f"/v1/webhooks/{_segment(id)}")

    def pause_webhook(self, id: str) -> Shown:
        return self._object(self._ask("POST", f"/v1/webhooks/{_segment(id)}/pause"))

    def resume_webhook(self, id: str, start: str) -> Shown:
        return self._object(self._ask("POST", f"/v1/webhooks/{_segment(id)}/resume", json={"from": start}))

    def test_webhook(self, id: str, type: str | None) -> Shown:
        """The delivery."""
        chosen = {} if type is None else {"type": type}
        return self._object(self._ask("POST", f"/v1/webhooks/{_segment(id)}/test", json=chosen))

    def deliveries(self, id: str, filters: Mapping[str, Any]) -> list[Shown]:
        """Newest first."""
        return self._list(self._ask("GET", f"/v1/webhooks/{_segment(id)}/deliveries", params=filters))

    def resend(self, id: str, delivery_id: str) -> Shown:
        """The replay."""
        return self._object(self._ask("POST", f"/v1/webhooks/{_segment(id)}/deliveries/{_segment(delivery_id)}/resend"))

    def create_replay(self, id: str, fields: Shown) -> Shown:
        return self._object(self._ask("POST", f"/v1/webhooks/{_segment(id)}/replays", json=fields))

    def replay(self, id: str, replay_id: str) -> Shown:
        return self._object(self._ask("GET", f"/v1/webhooks/{_segment(id)}/replays/{_segment(replay_id)}"))

    def _ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """The successful response. Waits if the rate limit is exceeded."""
        while True:
            try:
                answer = self._http.request(method, path, **options)
            except httpx2.HTTPError as problem:
                raise Failure(self._silent(problem)) from None
            wait = answer.headers.get("retry-after", "")
            if answer.status_code == 429 and wait.isdecimal() and int(wait) <= PATIENCE:
                print(f"Rate limit exceeded. Waiting {wait} s.", file=sys.stderr)
                time.sleep(int(wait))
                continue
            if answer.is_success:
                return answer
            raise self._refusal(answer)

    def _object(self, answer: httpx2.Response) -> Shown:
        found = self._json(answer)
        if not isinstance(found, dict):
            raise self._stranger(answer)
        return self._checked(found, answer)

    def _list(self, answer: httpx2.Response) -> list[Shown]:
        found = self._json(answer)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self._stranger(answer)
        return [self._checked(item, answer) for item in found]

    def _json(self, answer: httpx2.Response) -> Any:
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise self._stranger(answer) from None

    def _checked(self, found: Shown, answer: httpx2.Response) -> Shown:
        """What commands read of an object fails with a sentence if the object has no such field."""
        is_sound = all(isinstance(found.get(name, ""), str) for name in TEXTS)
        if not is_sound or not all(isinstance(found.get(name) or {}, dict) for name in OBJECTS):
            raise self._stranger(answer)
        return _Answer(found, self._stranger(answer))

    def _stranger(self, answer: httpx2.Response) -> Failure:
        return Failure(f"{self.address} answered {answer.status_code}, but not like a Rollbook server. Check the URL.")

    def _silent(self, problem: Exception) -> str:
        return f"{self.address} does not answer ({problem}). Check that the server is running and that the URL is correct."

    def _refusal(self, answer: httpx2.Response) -> Failure:
        try:
            body = answer.json()
            sentence = " ".join([fault["message"] for fault in body.get("errors", ())]) or "" + body["error"]
            code = "" + body.get("code", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return self._stranger(answer)
        new_key = (
            f"Set ROLLBOOK_KEY to an API key of this server. To create one, run `{program()} keys create EMAIL` on its machine."
        )
        fix = {
            401: f" {new_key if self._profile is None else f'Sign in again: {program()} login --profile {self._profile}'}",
            404: f" ({answer.request.url.path} at {self.address})",
        }
        return Refused(sentence + fix.get(answer.status_code, ""), code)


class _Answer(Shown):
    """An object that a server sent, which may be any server."""

    def __init__(self, found: Shown, stranger: Failure) -> None:
        super().__init__(found)
        self._stranger = stranger

    def __missing__(self, name: str) -> NoReturn:
        raise self._stranger


def _last(id: str) -> dict[str, str]:
    return {"Last-Event-ID": id} if id else {}


def _segment(text: str) -> str:
    """The text as one segment of a path, escaped."""
    return quote(text, safe="")
