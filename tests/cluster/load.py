"""Clients of the cluster, who note what they asked, when, and what they were acknowledged."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

from tests.cluster.cluster import ADDRESSES, NODES
from tests.cluster.history import Operation, Outcome

PATIENCE = 12.0
"""Seconds until a client takes a request for lost."""
REFUSED = {"storage_unavailable", "database_timeout", "overloaded", "stopping", "limits_unavailable"}
"""Codes of 503 that say that nothing was changed."""
GONE = (OSError, http.client.HTTPException, ValueError)
AUDIENCE = "https://app.example.com"
HOOKS = 2
PASSWORD = "correct horse battery staple"
LIMIT, WINDOW = 30, 60.0
Purpose = Literal["read", "write", "standby", "limit"]


class Reply(NamedTuple):
    status: int
    """0: there was none."""
    body: Any
    headers: dict[str, str]
    start: float
    end: float

    @property
    def code(self) -> str:
        return self.body.get("code", "") if isinstance(self.body, dict) else ""

    @property
    def outcome(self) -> Outcome:
        if 200 <= self.status < 300:
            return "done"
        if 400 <= self.status < 500 or (self.status == 503 and self.code in REFUSED):
            return "refused"
        return "unknown"


class Api:
    """One client's connection to the balancer, or past it to a node."""

    def __init__(self, key: str, to: str = "balancer", port: int = 8080) -> None:
        self._key = key
        self._to = ADDRESSES[to], port
        self._connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        start = time.monotonic()
        sent = {"Authorization": f"Bearer {self._key}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._to, timeout=PATIENCE)
            content = None if body is None else json.dumps(body).encode()
            self._connection.request(method, path, content, sent)
            answer = self._connection.getresponse()
            raw = answer.read()
        except GONE:
            self.close()
            return Reply(0, None, {}, start, time.monotonic())
        end = time.monotonic()
        got = {name.lower(): value for name, value in answer.getheaders()}
        if answer.will_close:
            self.close()
        with suppress(ValueError):
            return Reply(answer.status, json.loads(raw) if raw else None, got, start, end)
        return Reply(answer.status, None, got, start, end)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass
class Notes:
    """All that the clients saw."""

    started: dict[str, list[float]] = field(default_factory=lambda: {"read": [], "write": [], "standby": []})
    """Moments of acknowledgements, by what they were for."""
    registers: dict[str, list[Operation]] = field(default_factory=dict)
    """Operations on the name of each user whom several clients change."""
    under_way: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Writes of such names that have no answer yet: of whom, and since when."""
    created: dict[str, str] = field(default_factory=dict)
    """Emails of acknowledged users, and the IDs."""
    tried: set[str] = field(default_factory=set)
    """Emails that were asked for."""
    keys: dict[str, bool] = field(default_factory=dict)
    """Names of API keys, and whether their creation was acknowledged."""
    limited: list[Reply] = field(default_factory=list)
    """Admitted requests of the user with a limit."""
    refused_by_limit: int = 0
    hooks: list[list[dict[str, Any]]] = field(default_factory=lambda: [[] for _ in range(HOOKS)])
    requests: dict[str, str] = field(default_factory=dict)
    """IDs of acknowledged changes, and what they were."""
    violations: list[str] = field(default_factory=list)
    """Broken promises that a client saw itself."""
    codes: dict[str, int] = field(default_factory=dict)
    """Answers other than success, and how many."""
    durations: list[tuple[float, float]] = field(default_factory=list)
    """Moments of answers, and the seconds that each took."""
    tokens: int = 0
    refreshes: int = 0

    def saw(self, purpose: str, reply: Reply) -> None:
        self.durations.append((reply.end, reply.end - reply.start))
        if reply.outcome == "done":
            self.started[purpose].append(reply.end)
        else:
            name = f"{purpose} {reply.status or 'no answer'} {reply.code}".strip()
            self.codes[name] = self.codes.get(name, 0) + 1

    def changed(self, reply: Reply, what: str) -> None:
        self.saw("write", reply)
        if reply.outcome == "done" and "idempotency-replayed" not in reply.headers:
            self.requests[reply.headers["x-request-id"]] = what

    @property
    def acknowledged(self) -> int:
        return len(self.started["write"])


class Load:
    """Clients as threads, each with a pause after each request."""

    def __init__(self, key: str, seed: int, scale: float = 1.0) -> None:
        self.notes = Notes()
        self._key = key
        self._scale = scale
        self._seed = seed
        self._ended = threading.Event()
        self._numbers = iter(range(10**9))
        self._lock = threading.Lock()
        self.users: list[str] = []
        self._threads: list[threading.Thread] = []
        self.problem: BaseException | None = None

    def start(self) -> Load:
        self._receive()
        self._prepare()
        steps: list[tuple[Callable[[Api, random.Random], None], int, float]] = [
            (self._write, 4, 0.25),
            (self._read, 3, 0.2),
            (self._read_standby, 1, 0.25),
            (self._create, 2, 0.5),
            (self._race, 1, 1.0),
            (self._make_key, 1, 0.7),
            (self._consume, 1, 1.5),
            (self._refresh, 1, 1.0),
        ]
        for step, count, pause in steps:
            for number in range(count):
                self._spawn(step, number, pause, Api(self._key))
        for number, node in enumerate(NODES):
            self._spawn(self._take, number, 0.8, Api(self._limited_key, node, 8000))
        return self

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(10 * PATIENCE)
        if self.problem is not None:
            raise self.problem

    def _spawn(self, step: Callable[[Api, random.Random], None], number: int, pause: float, api: Api) -> None:
        chance = random.Random(f"{self._seed} {step.__name__} {number}")

        def run() -> None:
            try:
                while not self._ended.wait(pause * self._scale * chance.uniform(0.5, 1.5)):
                    step(api, chance)
            except BaseException as problem:
                self.problem = problem
                raise

        thread = threading.Thread(target=run, daemon=True, name=step.__name__)
        self._threads.append(thread)
        thread.start()

    def _number(self) -> int:
        with self._lock:
            return next(self._numbers)

    def _prepare(self) -> None:
        api = Api(self._key)
        for number in range(5):
            email = f"register{number}@example.com"
            reply = _sure(api.call("POST", "/v1/users", _user(email, "first")))
            self.users.append(reply.body["id"])
            self.notes.registers[reply.body["id"]] = []
            self.notes.created[email] = reply.body["id"]
        member = {"name": "Session", "email": "session@example.com", "password": PASSWORD}
        self.notes.created[member["email"]] = _sure(api.call("POST", "/v1/users", member)).body["id"]
        limited = _sure(api.call("POST", "/v1/users", _user("limited@example.com", "Limited")))
        self.notes.created["limited@example.com"] = limited.body["id"]
        path = f"/v1/users/{limited.body['id']}"
        _sure(api.call("PATCH", path, {"rate_limit": f"{LIMIT}/minute", "status": "active"}))
        key = _sure(api.call("POST", "/v1/keys", {"name": "limited", "user_id": limited.body["id"]}))
        self._limited_key = key.body["key"]
        for number in range(HOOKS):
            url = f"http://{ADDRESSES['clients']}:9000/{number}"
            _sure(api.call("POST", "/v1/webhooks", {"url": url, "types": ["user.created", "user.updated"]}))

    def _receive(self) -> None:
        hooks = self.notes.hooks

        class Receiver(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                hooks[int(self.path[1:])].append(body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        server = ThreadingHTTPServer((ADDRESSES["clients"], 9000), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    # ---- what clients do

    def _write(self, api: Api, chance: random.Random) -> None:
        user, value = chance.choice(self.users), f"value {self._number()}"
        self.notes.under_way[value] = user, time.monotonic()
        reply = api.call("PUT", f"/v1/users/{user}", {"name": value})
        self.notes.changed(reply, value)
        self.notes.registers[user].append(Operation("write", value, reply.start, reply.end, reply.outcome))
        del self.notes.under_way[value]

    def _read(self, api: Api, chance: random.Random) -> None:
        user = chance.choice(self.users)
        reply = api.call("GET", f"/v1/users/{user}")
        self.notes.saw("read", reply)
        if reply.outcome == "done":
            self.notes.registers[user].append(Operation("read", reply.body["name"], reply.start, reply.end))

    def _read_standby(self, api: Api, chance: random.Random) -> None:
        self.notes.saw("standby", api.call("GET", "/v1/users?consistency=eventual&limit=1"))

    def _create(self, api: Api, chance: random.Random) -> None:
        email = f"new{self._number()}@example.com"
        reply = self._until_sure(api, "/v1/users", _user(email, "New"), email)
        if reply is not None:
            self._has_user(email, reply)

    def _until_sure(
        self, api: Api, path: str, body: Any, key: str, expected: Sequence[int] = (201, 200)
    ) -> Reply | None:
        """The answer to a POST that is repeated with its Idempotency-Key until there is one. None: the run is over."""
        if "email" in body:
            self.notes.tried.add(body["email"])
        while not self._ended.is_set():
            reply = api.call("POST", path, body, Idempotency_Key=key)
            self.notes.changed(reply, f"POST {path} {key}")
            if reply.status in expected or (400 <= reply.status < 500 and reply.status not in (409, 429)):
                return reply
            self._ended.wait(0.5)
        return None

    def _has_user(self, email: str, reply: Reply) -> None:
        if reply.status != 201:
            self.notes.violations.append(f"{email} is only this client's, and was refused: {reply.status} {reply.body}")
        else:
            self.notes.created[email] = reply.body["id"]

    def _race(self, api: Api, chance: random.Random) -> None:
        """Two clients want the same email at the same moment, in two spellings, each with a key of its own."""
        email = f"race{self._number()}@example.com"
        other = Api(self._key)
        replies = _together(
            lambda: self._until_sure(api, "/v1/users", _user(email, "One"), f"{email} 1"),
            lambda: self._until_sure(other, "/v1/users", _user(email.upper(), "Other"), f"{email} 2"),
        )
        other.close()
        self.notes.tried.add(email)
        won = [reply for reply in replies if reply is not None and reply.status == 201]
        if len(won) > 1:
            self.notes.violations.append(f"{email} was given to two users")
        if not won and None not in replies:
            self.notes.violations.append(f"{email} was given to no one: {[reply.body for reply in replies if reply]}")
        if won:
            self.notes.created[email] = won[0].body["id"]

    def _make_key(self, api: Api, chance: random.Random) -> None:
        name = f"key {self._number()}"
        self.notes.keys[name] = False
        reply = self._until_sure(api, "/v1/keys", {"name": name, "scopes": ["users:read"]}, name)
        self.notes.keys[name] = reply is not None and reply.status == 201

    def _consume(self, api: Api, chance: random.Random) -> None:
        """Two clients have the same one-time token."""
        user = chance.choice(self.users)
        token = self._until_sure(
            api, f"/v1/users/{user}/tokens", {"purpose": "verify_email"}, f"token {self._number()}"
        )
        if token is None or token.status != 201:
            return
        path, body = "/v1/tokens/consume", {"token": token.body["token"]}
        other = Api(self._key)
        replies = _together(lambda: api.call("POST", path, body), lambda: other.call("POST", path, body))
        for reply in replies:
            self.notes.changed(reply, "consume")
        if not any(reply.outcome == "done" for reply in replies):
            replies.append(other.call("POST", path, body))
        other.close()
        done = sum(reply.outcome == "done" for reply in replies)
        self.notes.tokens += done > 0
        if done > 1:
            self.notes.violations.append(f"a one-time token worked {done} times")

    def _refresh(self, api: Api, chance: random.Random) -> None:
        """A session that is refreshed some times. Then two clients have the same refresh token."""
        fields = {"email": "session@example.com", "password": PASSWORD, "audience": AUDIENCE}
        session = self._until_sure(api, "/v1/sessions", fields, f"session {self._number()}")
        for _ in range(3):
            if session is None or session.outcome != "done":
                return
            body = {"refresh_token": session.body["refresh_token"], "audience": AUDIENCE}
            session = self._until_sure(api, "/v1/sessions/refresh", body, f"refresh {self._number()}")
            self.notes.refreshes += 1
            if session is not None and session.outcome != "done":
                self.notes.violations.append(f"a session ended by itself: {session.status} {session.body}")
        if session is None or session.outcome != "done":
            return
        body = {"refresh_token": session.body["refresh_token"], "audience": AUDIENCE}
        other = Api(self._key)
        path = "/v1/sessions/refresh"
        replies = _together(lambda: api.call("POST", path, body), lambda: other.call("POST", path, body))
        other.close()
        if sum(reply.outcome == "done" for reply in replies) > 1:
            self.notes.violations.append("a refresh token worked twice")

    def _take(self, api: Api, chance: random.Random) -> None:
        reply = api.call("GET", "/v1/users/me")
        if reply.status == 200:
            self.notes.limited.append(reply)
        elif reply.status == 429:
            self.notes.refused_by_limit += 1
        else:
            self.notes.saw("limit", reply)


def _user(email: str, name: str) -> dict[str, str]:
    return {"name": name, "email": email, "status": "invited"}


def _sure(reply: Reply) -> Reply:
    if reply.outcome != "done":
        raise RuntimeError(f"before any fault: {reply.status} {reply.body}")
    return reply


def _together(*calls: Callable[[], Any]) -> list[Any]:
    results: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        results[index] = calls[index]()

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
