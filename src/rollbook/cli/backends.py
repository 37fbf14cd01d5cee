"""Backends of commands: API calls, which `folder.py` answers itself on a data folder, and `remote.py` has a running
server answer."""

from __future__ import annotations

import shlex
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

import click

from rollbook.cli.output import Failure, Misuse, Refused, Unreachable, counted, hint, program
from rollbook.errors import ApiError, DatabaseTimeout, StorageUnavailable

if TYPE_CHECKING:
    from rollbook.cli.imports import FileImport

Shown = dict[str, Any]
PAGE = 1_000
LONGEST = 30
"""Seconds that a call waits for what comes next in a log."""
NAMED_AT_ONCE = 200
"""Users whose names one call reads."""
NAMES_KEPT = 10_000
"""Names that are kept, so that whoever follows a log for months needs no more memory."""
AWAY = (Unreachable, StorageUnavailable, DatabaseTimeout)
PAGED = {"limit": "--limit", "offset": "all pages"}
"""Stand-in for the paging of lists that commands read to their end, or up to a limit."""
THINGS = {
    "users": ("user", "users", "list"),
    "applications": ("application", "apps", "list"),
    "keys": ("API key", "keys", "list"),
    "groups": ("group", "groups", "list"),
    "webhooks": ("webhook", "webhooks", "list"),
    "events": ("event", "events", "list"),
    "imports": ("import", "imports", "list"),
    "bulk-jobs": ("bulk job", "bulk", "list"),
    "sessions": ("session", "sessions", "list"),
}
"""Objects by the first step of their path: their name, and the command that lists them."""
PARTS = {"deliveries": "delivery", "second-factors": "second factor"}
"""Objects within others, by the step of their path."""
ENDS = {"sessions": "session", "keys": "API key", "webhooks": "webhook"}
WHOLE = {"fields": "*"}
"""The query of calls that return a user, with all fields."""


class Answer(NamedTuple):
    """A successful response."""

    status: int
    value: Any
    """JSON of the body; None for an empty one."""
    next: str = ""
    """The query of the next page."""
    position: str = ""
    """The position in the log up to where a list of events or requests goes."""
    ends: str = ""
    """Sessions, API keys and webhooks that would end, as in `X-Dry-Run-Ends`."""


class Body(NamedTuple):
    """The body of a successful response, to be read once and in order."""

    kind: str
    """Media type of the body, without parameters; empty if there is none."""
    parts: Iterator[bytes]
    limit: str = ""
    """Remaining requests of the rate limit, for people; empty where there is no limit."""

    @property
    def is_json(self) -> bool:
        """Test whether it is one JSON text."""
        return self.kind == "application/json" or self.kind.endswith("+json")


class ExportFile(NamedTuple):
    """Users as a file."""

    position: str
    """The place in the event log to follow it from."""
    parts: Iterator[bytes]


class Previewed(Exception):
    """The end of a command with --dry-run."""

    def __init__(self, value: Any, ends: list[str], about: str) -> None:
        """`value` is the JSON of the last response, `about` the email, name or ID of what is changed."""
        self.value, self.about = value, about
        self._ends = ends
        super().__init__()

    def said(self, does: str) -> str:
        """The sentences for people about a command that `does` this: `Delete a user`."""
        counts = [(int(count), ENDS[name]) for name, _, count in (part.partition("=") for part in self._ends)]
        ends = " and ".join(counted(count, name) for count, name in counts)
        users = self.value.get("total") if isinstance(self.value, dict) else None  # of a bulk job
        change = f"{does[0].lower()}{does[1:]}{f': {self.about}' if self.about else ''}"
        change = change if users is None else f"change {counted(users, 'user')}"
        return f"Dry run: nothing was changed. It would {change}.{f' It would end {ends}.' if ends else ''}"


class Backend(ABC):
    """All methods may raise ApiError with the message of the API, and Failure. What they return has the format of the
    API, with all fields."""

    flags: str
    """The options to repeat in hints: `--data DIR`, `--url URL` or `--profile NAME`."""
    address: str
    """The URL of the server's API, as far as it is known."""
    is_operator: bool = False
    """True if calls are made by the operator of the server, who is no user: there is no `me`, and no `current` key."""
    sends_mail: bool = True
    """False if it is known that no mail server is set."""
    runs: bool = True
    """True if a server runs there, as far as it is known."""
    is_new: bool = False
    """True if there was no database before this command."""
    location: str
    """The place that users are looked for in, for people: a URL, or a database without its password."""
    previews: int = 0
    """Changes that are left to preview; then the command ends. 0: changes are made."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._may_name = True
        self._ends: list[str] = []

    def ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Shown | None = None) -> Answer:
        """Have an API call answered. Of a preview, the last change raises Previewed."""
        if not self.previews or method == "GET" or path.endswith("/preview"):
            return self._ask(method, path, query, body)
        answer = self._ask(method, path, {**(query or {}), "dry_run": "true"}, body)
        self._ends += answer.ends.split(", ") if answer.ends else ()
        self.previews -= 1
        if not self.previews:
            raise Previewed(answer.value, self._ends, self._label(path, answer.value))
        return answer

    def _label(self, path: str, value: Any) -> str:
        """The email, name or ID of what a path is about, or the name of what a call creates, with its response."""
        steps = path.split("/")[2:4]
        record: Any = value if isinstance(value, dict) else {}
        if steps[0] in THINGS and len(steps) > 1:
            with suppress(ApiError, Failure):
                record = self._ask("GET", "/v1/" + "/".join(steps), None, None).value
        label = record.get("email" if steps[0] == "users" else "name")
        return label or ("" if record is value else record.get("id", ""))

    @abstractmethod
    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None, body: Shown | None) -> Answer: ...

    @abstractmethod
    def body(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> AbstractContextManager[Body]:
        """Have an API call answered that may return anything: JSON, NDJSON, CSV, text, or what has no end."""

    @abstractmethod
    def events(self, filters: Mapping[str, str]) -> Iterator[Shown]:
        """Events as they happen, without end: those that `GET /v1/events/stream` sends with these filters and `after`.
        What is lost for a while is tried again, and no event is missed."""

    @abstractmethod
    def export(self, query: Mapping[str, str], with_hashes: bool) -> AbstractContextManager[ExportFile]:
        """Export users as `GET /v1/exports` does; with the hashes of passwords only on a data folder."""

    @abstractmethod
    def link(self, path: str, base: str | None, body: Shown) -> Shown:
        """Have a call answered that creates a link, with `url` and `expires_at`. `base` is the server's URL for people;
        None: from the settings."""

    @abstractmethod
    def import_users(self, task: FileImport) -> None:
        """Import a file, and note in `task` what becomes of it. What was imported stays when it ends early."""

    @abstractmethod
    def mcp(self, message: Any, is_read_only: bool) -> Shown | None:
        """The reply to a message of MCP, None for none."""

    @abstractmethod
    def close(self) -> None: ...

    def missing(self, path: str) -> str | None:
        """The sentence about what a path names and is not there; None for a path of another kind."""
        steps = [unquote(step) for step in path.removeprefix("/v1/").split("/")]
        if steps[0] not in THINGS or len(steps) < 2:
            return None
        name, *words = THINGS[steps[0]]
        of = f"{PARTS.get(steps[2], steps[2][:-1])} {steps[3]} of " if len(steps) > 3 else ""
        return f"There is no {of}{name} {steps[1]} ({self.location}). To see all: {self.command(*words)}"

    def stranger(self, status: int) -> Failure:
        """The failure where an answer is not one of Rollbook."""
        return Failure(f"{self.location} answered {status}, but not like a Rollbook server. Check the URL.")

    def issuer(self) -> str:
        """The URL that ID tokens name."""
        return self.address

    def command(self, *words: str) -> str:
        """A command for the same server, to be pasted."""
        return f"{program()} {shlex.join(words)} {self.flags}".rstrip()

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

    def checked(self, record: Shown, status: int) -> Shown:
        """The object as commands read it."""
        return record

    def all(self, path: str, query: Mapping[str, Any], limit: int | None = None) -> list[Shown]:
        """The pages of a list that has `limit` and `offset`. `limit` None: all of it."""
        records: list[Shown] = []
        while True:
            size = PAGE if limit is None else min(limit - len(records), PAGE)
            page = self.page(self.ask("GET", path, {**query, "limit": size, "offset": len(records)}))
            records += page
            if len(page) < PAGE or len(records) == limit:
                return records

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

    def followed(self, path: str, filters: Mapping[str, Any], after: str | None) -> Iterator[Shown]:
        """Follow a log without end: from now on, or from the position `after`. What is lost for a while is
        tried again, and nothing is missed."""
        position = after or self.ask("GET", path, {"limit": 1, "order": "desc"}).position
        pause = 1.0
        while True:
            query = {**filters, "order": "asc", "after": position, "limit": PAGE, "wait": LONGEST}
            try:
                answer = self.ask("GET", path, query)
            except AWAY as problem:
                hint(f"{problem} Trying again.")
                time.sleep(pause)
                pause = min(2 * pause, 30.0)
                continue
            pause = 1.0
            yield from self.page(answer)
            if not answer.position:
                raise self.stranger(answer.status)
            position = answer.position

    # ---- users

    def names(self, ids: Iterable[str | None]) -> dict[str, str]:
        """The names of these users, by ID: of those who exist, as far as the caller may read them. They are kept."""
        shown = dict.fromkeys(id for id in ids if id is not None)
        if len(self._names) > NAMES_KEPT:
            self._names.clear()
        new = [id for id in shown if id not in self._names and self._may_name]
        for begin in range(0, len(new), NAMED_AT_ONCE):
            part = new[begin : begin + NAMED_AT_ONCE]
            query = {"ids": ",".join(part), "fields": "id,name", "limit": len(part)}
            try:
                users = self.page(self.ask("GET", "/v1/users", query))
            except AWAY:
                break  # whoever follows a log gets IDs meanwhile
            except (Refused, ApiError):  # not theirs to read
                self._may_name = False
                break
            self._names |= {**dict.fromkeys(part, ""), **{user["id"]: user["name"] for user in users}}
        return {id: self._names[id] for id in shown if self._names.get(id)}

    def with_names(self, record: Shown, *fields: str) -> Shown:
        """The object as people read it: with the name of each user beside their ID."""
        if not sys.stdout.isatty():
            return record
        names = self.names(record[field] for field in fields)
        named = {field: f"{record[field]} ({names[record[field]]})" for field in fields if record[field] in names}
        return {**record, **named}

    def users(self, filters: Mapping[str, str], limit: int | None, offset: int) -> Iterator[Shown]:
        """Users that match the filters of `GET /v1/users`, sorted by `sort`. `limit` None: all of them."""
        return self.linked("/v1/users", {**filters, **WHOLE, **({"offset": offset} if offset else {})}, limit)

    def count(self, filters: Mapping[str, str]) -> int:
        answer = self.ask("GET", "/v1/users/count", filters)
        count = answer.value.get("count") if isinstance(answer.value, dict) else None
        if not isinstance(count, int):
            raise self.stranger(answer.status)
        return count

    def user(self, named: str) -> Shown:
        """By email if it contains an @, otherwise by ID."""
        if "@" not in named:
            return self.one("GET", at("users", named))
        users = self.page(self.ask("GET", "/v1/users", {"email": named, **WHOLE}))
        if not users:
            search = self.command("users", "list", "--search", named.partition("@")[0])
            deleted = self.command("users", "list", "--status", "deleted")
            raise Failure(
                f"There is no user {named} ({self.location}). To look for them: {search}. "
                f"If they were deleted, use their ID: {deleted}"
            )
        return users[0]

    def user_or_self(self, named: str | None) -> Shown:
        """The user who is named, by default the one whose API key it is."""
        if named is None and self.is_operator:
            raise Misuse(f"Whose? For example: {click.get_current_context().command_path} owner@example.com")
        return self.user(named or "me")

    def key_holder(self, named: str | None) -> Shown:
        """The user or application whose key it is: named by email, ID or, if only one application has it, name."""
        if named is None or "@" in named or named.startswith("user_") or named == "me":
            return self.user_or_self(named)
        alike = self._spelled_like(named, self.linked("/v1/applications", {"q": named}, None)) if named else []
        return self._only("applications", named, alike)

    def key_id(self, named: str) -> str:
        """The ID of an API key: `current`, an ID or, if only one that works has it, a name."""
        if named == "current" or named.startswith("key_"):
            return named
        keys = self.linked("/v1/keys", {"user": "all" if self.is_operator else "me"}, None)
        matches = [key for key in keys if (key["name"], key["status"]) == (named, "active")]
        return self._only("keys", named, matches)["id"]

    def _only(self, things: str, named: str, matches: list[Shown]) -> Shown:
        """The one object that is named so. Raises Failure."""
        thing, *words = THINGS[things]
        if not matches:
            raise Failure(f"There is no {thing} {named} ({self.location}). To see all: {self.command(*words)}")
        if len(matches) > 1:
            raise Failure(f"More than one {thing} is named {named}: use an ID ({self.location}).")
        return matches[0]

    def group(self, named: str) -> Shown:
        """By ID or, if only one has it, by name."""
        if named.startswith("group_"):
            return self.one("GET", at("groups", named))
        matches = self.page(self.ask("GET", "/v1/groups", {"name": named, "limit": 2}))
        return self._only("groups", named, matches or self._groups_spelled_like(named))

    def _groups_spelled_like(self, named: str) -> list[Shown]:
        """Groups whose name search can't tell from this one, such as Zürich from Zurich."""
        groups = self.page(self.ask("GET", "/v1/groups", {"q": named, "limit": PAGE})) if named else []
        return self._spelled_like(named, groups) if len(groups) < PAGE else []

    def _spelled_like(self, named: str, records: Iterable[Shown]) -> list[Shown]:
        # Imported here: only a name that is looked for is compared like that.
        from rollbook.records.user_search.folding import spellings

        alike = spellings(named)
        return [record for record in records if spellings(record["name"]) == alike]

    def create_user(self, fields: Shown) -> Shown:
        return self.one("POST", "/v1/users", WHOLE, fields)

    def set_password(self, id: str, password: str, current: str | None) -> None:
        """`current` is for users who change their own password."""
        proof = {} if current is None else {"current_password": current}
        self.ask("PUT", at("users", id, "password"), None, {"password": password, **proof})


def at(*segments: str) -> str:
    """The path of an object of the API, or of what can be done to it: `at("keys", id, "rotate")`. The segments are
    escaped."""
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)
