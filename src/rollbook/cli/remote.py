"""`Backend` for a running server, over its API."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import httpx2

from rollbook import __version__
from rollbook.cli.backends import Answer, Backend, Shown, user_path
from rollbook.cli.event_stream import Message, messages
from rollbook.cli.output import Failure, Refused, base_url, hint, program

TIMEOUT = 30.0  # seconds per response
TEXTS = ("id", "key", "url")  # fields that commands send back or take apart
SILENCE = 60.0  # seconds without a heartbeat after which a stream is lost
OBJECTS = ("health", "response")
PATIENCE = 60  # the longest Retry-After, in seconds, that a command waits for


class Remote(Backend):
    """The server checks the key's permissions."""

    def __init__(self, url: str, key: str, profile: str | None = None) -> None:
        """`profile` is where URL and key come from. Raises Failure if the URL is invalid."""
        self.address = self.location = base_url(url)
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

    def password_link(self, id: str, base: str | None) -> Shown:
        if base is not None:
            raise Failure("--public-url and --url can't be combined: a running server knows its own public_url.")
        return self.one("POST", f"{user_path(id)}/password-link")

    def ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Shown | None = None) -> Answer:
        """Waits if the rate limit is exceeded."""
        while True:
            try:
                answer = self._http.request(method, path, params=query, json=body)
            except httpx2.HTTPError as problem:
                raise Failure(self._silent(problem)) from None
            wait = answer.headers.get("retry-after", "")
            if answer.status_code == 429 and wait.isdecimal() and int(wait) <= PATIENCE:
                print(f"Rate limit exceeded. Waiting {wait} s.", file=sys.stderr)
                time.sleep(int(wait))
                continue
            if answer.is_success:
                return self._answer(answer)
            raise self._refusal(answer)

    def _answer(self, answer: httpx2.Response) -> Answer:
        try:
            following = answer.links.get("next")
            query = "" if following is None else httpx2.URL(following["url"]).query.decode()
            return Answer(answer.status_code, answer.json() if answer.content else None, query)
        except (httpx2.InvalidURL, ValueError, RecursionError):
            raise self.stranger(answer.status_code) from None

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
            raise self.stranger(answer.status_code) from None

    def _event(self, message: Message, answer: httpx2.Response) -> Shown:
        """What a message holds. Raises Failure if it is the last one, unless connecting again helps."""
        try:
            found = json.loads(message.data)
        except (ValueError, RecursionError):
            raise self.stranger(answer.status_code) from None
        if not isinstance(found, dict):
            raise self.stranger(answer.status_code)
        found = self.checked(found, answer.status_code)
        if message.type == "end":
            if found["code"] not in ("request_timeout", "storage_unavailable", "overloaded"):
                raise Failure(str(found["error"]))
        elif not isinstance(found["object"], dict) or not isinstance(found["actor"], dict):
            raise self.stranger(answer.status_code)
        return found

    def checked(self, found: Shown, status: int) -> Shown:
        """What commands read of an object fails with a sentence if the object has no such field."""
        is_sound = all(isinstance(found.get(name, ""), str) for name in TEXTS)
        if not is_sound or not all(isinstance(found.get(name) or {}, dict) for name in OBJECTS):
            raise self.stranger(status)
        return _Object(found, self.stranger(status))

    def _silent(self, problem: Exception) -> str:
        return f"{self.address} does not answer ({problem}). Check that the server is running and that the URL is correct."

    def _refusal(self, answer: httpx2.Response) -> Failure:
        try:
            body = answer.json()
            sentence = " ".join([fault["message"] for fault in body.get("errors", ())]) or "" + body["error"]
            code = "" + body.get("code", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return self.stranger(answer.status_code)
        new_key = (
            f"Set ROLLBOOK_KEY to an API key of this server. To create one, run `{program()} keys create EMAIL` on its machine."
        )
        fix = {
            401: f" {new_key if self._profile is None else f'Sign in again: {program()} login --profile {self._profile}'}",
            404: f" ({answer.request.url.path} at {self.address})",
        }
        return Refused(sentence + fix.get(answer.status_code, ""), code)


class _Object(Shown):
    """An object that a server sent, which may be any server."""

    def __init__(self, found: Shown, stranger: Failure) -> None:
        super().__init__(found)
        self._stranger = stranger

    def __missing__(self, name: str) -> NoReturn:
        raise self._stranger


def _last(id: str) -> dict[str, str]:
    return {"Last-Event-ID": id} if id else {}
