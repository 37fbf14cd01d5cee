"""Every row of the table of routes: what it answers when all is well, and each way in which it can refuse.

The tests walk `api.routes.ROUTES`, so a new row fails here until somebody has said how to ask for it and how to provoke
its errors.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook import errors, ids
from rollbook.api import tokens as token_calls
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.auth import key_format
from rollbook.errors import ApiError
from rollbook.roles import SCOPES
from tests import event_stream
from tests.contract.answers import Log, fits, refused, told_whole
from tests.contract.paths import (
    APPLICATION,
    DELIVERY,
    FACTOR,
    FACTORS,
    GROUP,
    IMPORT,
    JOB,
    KEY,
    MEMBER,
    MEMBERS,
    REPLAY,
    RULE,
    RULE_PATH,
    SESSION,
    TOKEN,
    USER,
    WEBHOOK,
)
from tests.engines import once
from tests.factors import App, enrolled
from tests.grids import grid
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_token, new_update, new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import signed_in

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITH_KEY = [route for route in ROUTES if route.scope is not None]
PATHS = list(dict.fromkeys(route.path for route in ROUTES))


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


every_row = grid("route", ROUTES, ids=name)
every_row_with_key = grid("route", WITH_KEY, ids=name)
every_path = grid("path", PATHS)


class Ask(NamedTuple):
    """A request that a row answers with success, when nothing else is in its way."""

    path: str
    json: dict[str, Any] | None = None


class World:
    """A server with an owner, and whatever a request needs to be about."""

    def __init__(self, server: Server, http: httpx2.Client) -> None:
        self.server = server
        self.http = http
        self.owner = http.get("/v1/users/me").json()
        self.log = Log(http)
        self.user = new_user(http)
        self._numbers = itertools.count(1)
        self._open = ExitStack()
        self.busy_server: Server
        self.webhooks: list[str] = []
        self.rules: list[str] = []

    @cached_property
    def busy(self) -> httpx2.Client:
        """The owner of a server that takes longer for a hash than for all else, one at a time, with one more waiting
        and one try a minute."""
        flags = (
            "--password-threads",
            "1",
            "--password-queue",
            "1",
            "--attempts-limit",
            "1/minute",
            "--rate-limit",
            "none",
        )
        costs = {"ROLLBOOK_PASSWORD_MEMORY": "32768", "ROLLBOOK_PASSWORD_TIME_COST": "2"}
        self.busy_server = self._open.enter_context(
            running(self.server.data.with_name("busy"), *flags, environment=costs)
        )
        return self._open.enter_context(self.busy_server.http())

    @cached_property
    def busy_webhook(self) -> str:
        return self.busy.post("/v1/webhooks", json={"url": "inbox"}).json()["id"]

    @cached_property
    def busy_members(self) -> list[httpx2.Client]:
        """Members of the same server, whose password is the owner's."""
        members = [new_user(self.busy, password=OWNER_PASSWORD) for _ in range(4)]
        keys = [new_key(self.busy, user_id=member["id"]) for member in members]
        return [self._open.enter_context(self.busy_server.http(key)) for key in keys]

    def close(self) -> None:
        self._open.close()

    def ask(self, route: Route, ask: Ask, client: httpx2.Client | None = None, **options: Any) -> httpx2.Response:
        if route.path == event_stream.PATH:
            return event_stream.begun(client or self.http, ask.path, **options)
        return (client or self.http).request(route.method, ask.path, json=ask.json, **options)

    def email(self) -> str:
        return f"charlie{next(self._numbers)}@example.com"

    def new_group(self, **fields: Any) -> str:
        """Its path."""
        answer = self.http.post("/v1/groups", json={"name": "Engineering", **fields})
        assert answer.status_code == 201, answer.text
        return f"/v1/groups/{answer.json()['id']}"

    def new_member(self) -> str:
        """Their path in a group."""
        path = f"{self.new_group()}/members/{self.user['id']}"
        assert self.http.put(path).status_code == 200
        return path

    def new_key_id(self, **fields: Any) -> str:
        return self.http.post("/v1/keys", json={"name": "test", **fields}).json()["id"]

    def new_webhook(self, **fields: Any) -> str:
        """Its path."""
        answer = self.http.post("/v1/webhooks", json={"url": "inbox", **fields})
        assert answer.status_code == 201, answer.text
        self.http.delete(f"/v1/webhooks/{self.webhooks.pop(0)}") if len(self.webhooks) > 20 else None
        self.webhooks.append(answer.json()["id"])
        return f"/v1/webhooks/{answer.json()['id']}"

    def new_delivery(self, of_event: bool = False) -> str:
        """The path of a test delivery or, as if the event had been delivered, of another one."""
        webhook = self.new_webhook()
        made = self.http.post(webhook + "/test").json()
        if of_event:
            newest = "SELECT seq, id, user_id FROM events WHERE seq = (SELECT max(seq) FROM events)"
            self.http.get("/v1/events")  # on PostgreSQL, that gives new ones their numbers
            seq, event_id, user_id = self.server.ask(newest)[0]
            change = f"seq = {seq}, event_id = '{event_id}', user_id = '{user_id}', trigger = 'event'"
            self.server.ask(f"UPDATE webhook_deliveries SET {change} WHERE id = '{made['id']}'")
        return f"{webhook}/deliveries/{made['id']}"

    def new_replay(self) -> str:
        webhook = self.new_webhook()
        made = self.http.post(webhook + "/replays", json=BODIES[f"POST {WEBHOOK}/replays"])
        assert made.status_code == 201, made.text
        return f"{webhook}/replays/{made.json()['id']}"

    def new_import(self) -> str:
        """Its path. A dry run, so that no event comes when it ends."""
        made = self.http.post("/v1/imports?dry_run=true", json={"name": "Charlie", "email": self.email()})
        assert made.status_code == 201, made.text
        path = f"/v1/imports/{made.json()['id']}"
        assert self.http.post(path + "/cancel").status_code == 200
        return path

    def new_tested(self) -> str:
        """Path of a dry run that has ended, whose file has no user."""
        made = self.http.post("/v1/imports?dry_run=true&events=summary", content=b'{"name":"Nobody"}').json()
        path = f"/v1/imports/{made['id']}"
        wait_until(lambda: self.http.get(path).json()["finished_at"])
        return path

    def new_imported(self) -> str:
        """Path of an import that has added a user."""
        made = self.http.post("/v1/imports", json={"name": "Charlie", "email": self.email()}).json()
        path = f"/v1/imports/{made['id']}"
        wait_until(lambda: self.http.get(path).json()["finished_at"])
        return path

    def new_absence(self) -> str:
        """Path of an import that has found one person absent, and changed no one."""
        mark = self.email()
        new_user(self.http, metadata={"mark": mark})
        options = {"absent": "report", "absent_metadata": f"mark:{mark}", "on_conflict": "skip"}
        made = self.http.post("/v1/imports", params=options, content=b'{"name":"Nobody"}').json()
        path = f"/v1/imports/{made['id']}"
        wait_until(lambda: self.http.get(path).json()["finished_at"])
        return path

    def new_job(self) -> str:
        """Its path, when it has ended."""
        made = self.http.post("/v1/bulk-jobs", json=BODIES["POST /v1/bulk-jobs"])
        assert made.status_code == 201, made.text
        path = f"/v1/bulk-jobs/{made.json()['id']}"
        wait_until(lambda: self.http.get(path).json()["finished_at"])
        return path

    def new_rule(self, **fields: Any) -> str:
        """Its path. The server can have 100."""
        answer = self.http.post("/v1/rules", json={**RULE, **fields})
        assert answer.status_code == 201, answer.text
        self.http.delete(self.rules.pop(0)) if len(self.rules) > 20 else None
        self.rules.append(f"/v1/rules/{answer.json()['id']}")
        return self.rules[-1]

    def new_session_id(self) -> str:
        """Of the owner, who signs in."""
        signed_in(self.server).close()
        return self.http.get("/v1/sessions").json()[0]["id"]

    @property
    def credentials(self) -> dict[str, str]:
        return {"email": self.user["email"], "password": self.user["password"], "audience": "shop"}

    def new_session(self) -> dict[str, Any]:
        """Of the user in an application."""
        answer = self.http.post("/v1/sessions", json=self.credentials)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def valid(self, route: Route) -> Ask:
        """A request to this row that will succeed once."""
        return VALID[name(route)](self)

    def any(self, route: Route) -> Ask:
        """The same for a request that is refused before anything happens: nothing is made for it."""
        return Ask(concrete(self, route.path), BODIES.get(name(route)))


def _user(world: World, **fields: Any) -> str:
    return f"/v1/users/{new_user(world.http, **fields)['id']}"


def _application(world: World) -> str:
    answer = world.http.post("/v1/applications", json={"name": "Shop"})
    assert answer.status_code == 201, answer.text
    return f"/v1/applications/{answer.json()['id']}"


def _suspended(world: World) -> str:
    path = _user(world)
    assert world.http.post(path + "/suspend").status_code == 200
    return path


def _deleted(world: World) -> str:
    path = _user(world)
    assert world.http.delete(path).status_code == 204
    return path


def _with_factor(world: World) -> tuple[str, App]:
    """The path of a user, and their authenticator app."""
    path = _user(world)
    return path, enrolled(world.http, path.rpartition("/")[2])


def _factor(world: World) -> str:
    path, app = _with_factor(world)
    return f"{path}/second-factors/{app.factor_id}"


def _code_to_verify(world: World) -> Ask:
    path, app = _with_factor(world)
    return Ask(path + "/second-factors/verify", {"code": app.recovery_codes[0]})


def _app_to_activate(world: World) -> Ask:
    path = _user(world) + "/second-factors"
    made = world.http.post(path, json={"kind": "totp"}).json()
    return Ask(f"{path}/{made['id']}/activate", {"code": App(made["secret"]).code()})


def _challenged(world: World) -> tuple[Ask, dict[str, Any]]:
    """A right answer to the challenge of a user, and the user."""
    user = new_user(world.http)
    app = enrolled(world.http, user["id"])
    credentials = {"email": user["email"], "password": user["password"]}
    challenge = world.http.post("/v1/users/verify-password", json=credentials).json()["challenge"]
    return Ask("/v1/users/verify-challenge", {"challenge": challenge, "code": app.recovery_codes[0]}), user


BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/users": {"name": "Charlie Chaplin", "email": "charlie@example.com", "password": "securepassword123"},
    "POST /v1/users/bulk": {
        "operations": [{"op": "create", "name": "Charlie Chaplin", "email": "charlie@example.com"}]
    },
    "POST /v1/bulk-jobs": {"action": "suspend", "filter": {"email": "nobody@example.com"}},
    "POST /v1/rules": RULE,
    "POST /v1/rules/preview": RULE,
    f"PATCH {RULE_PATH}": {"name": "Another"},
    f"POST {RULE_PATH}/run": {},
    f"POST {IMPORT}/suspend": {"confirm_count": 1},
    "POST /v1/users/verify-password": {"email": "charlie@example.com", "password": "securepassword123"},
    f"PUT {USER}": {"name": "Charles Chaplin"},
    f"PATCH {USER}": {"name": "Charles Chaplin"},
    f"PUT {USER}/password": {"password": "anothersecurepassword"},
    "POST /v1/applications": {"name": "Shop", "role": "viewer"},
    f"PATCH {APPLICATION}": {"name": "Web shop"},
    "POST /v1/groups": {"name": "Engineering", "metadata": {"cost_center": "4711"}},
    f"PUT {GROUP}": {"name": "Developers"},
    f"PATCH {GROUP}": {"metadata": {"cost_center": None}},
    f"POST {MEMBERS}": {"members": [{"user_id": "me", "role": "lead"}]},
    f"PUT {MEMBER}": {"role": "lead"},
    f"POST {USER}/tokens": {"purpose": "verify_email"},
    "POST /v1/tokens/request": {"email": "charlie@example.com", "purpose": "reset_password"},
    "POST /v1/tokens/consume": {"token": "x" * 43},
    "POST /v1/users/verify-challenge": {"challenge": "Example-Only", "code": "123456"},
    f"POST {FACTORS}": {"kind": "totp"},
    f"POST {FACTORS}/verify": {"code": "123456"},
    f"POST {FACTOR}/activate": {"code": "123456"},
    f"POST {USER}/recovery-codes": {},
    "POST /v1/keys": {"name": "billing service"},
    f"PATCH {KEY}": {"name": "changed"},
    f"POST {KEY}/reveal": {"password": OWNER_PASSWORD},
    f"POST {KEY}/rotate": {"overlap": 60},
    "POST /v1/webhooks": {"url": "inbox", "types": ["user.*"]},
    f"PATCH {WEBHOOK}": {"description": "Billing"},
    f"POST {WEBHOOK}/reveal": {"password": OWNER_PASSWORD},
    f"POST {WEBHOOK}/test": {"type": "user.created"},
    f"POST {WEBHOOK}/replays": {"from": "2023-10-27T10:00:00Z"},
    f"POST {WEBHOOK}/rotate-secret": {"overlap": 60},
    "POST /v1/sessions": {"email": "charlie@example.com", "password": "securepassword123", "audience": "shop"},
    "POST /v1/sessions/refresh": {"refresh_token": "rbr_" + "A" * 65, "audience": "shop"},
    "POST /v1/sessions/verify": {"token": "rbs_" + "A" * 43, "audience": "shop"},
}

VALID: dict[str, Callable[[World], Ask]] = {
    "GET /v1/users": lambda world: Ask("/v1/users"),
    "POST /v1/users": lambda world: Ask("/v1/users", BODIES["POST /v1/users"] | {"email": world.email()}),
    "POST /v1/users/bulk": lambda world: Ask(
        "/v1/users/bulk", {"operations": [BODIES["POST /v1/users"] | {"op": "create", "email": world.email()}]}
    ),
    "GET /v1/users/count": lambda world: Ask("/v1/users/count"),
    "POST /v1/users/verify-password": lambda world: Ask(
        "/v1/users/verify-password", {"email": world.user["email"], "password": world.user["password"]}
    ),
    f"GET {USER}": lambda world: Ask(_user(world)),
    f"PUT {USER}": lambda world: Ask(_user(world), BODIES[f"PUT {USER}"]),
    f"PATCH {USER}": lambda world: Ask(_user(world), BODIES[f"PATCH {USER}"]),
    f"DELETE {USER}": lambda world: Ask(_user(world)),
    f"PUT {USER}/password": lambda world: Ask(_user(world) + "/password", BODIES[f"PUT {USER}/password"]),
    f"GET {USER}/tokens": lambda world: Ask(_user(world) + "/tokens"),
    f"POST {USER}/tokens": lambda world: Ask(_user(world) + "/tokens", BODIES[f"POST {USER}/tokens"]),
    f"DELETE {TOKEN}": lambda world: Ask(f"{(user := _user(world))}/tokens/{new_token(world.http, user[10:])['id']}"),
    "POST /v1/tokens/request": lambda world: Ask(
        "/v1/tokens/request", BODIES["POST /v1/tokens/request"] | {"email": world.email()}
    ),
    "POST /v1/tokens/consume": lambda world: Ask(
        "/v1/tokens/consume", {"token": new_token(world.http, _user(world)[10:])["token"]}
    ),
    "POST /v1/users/verify-challenge": lambda world: _challenged(world)[0],
    f"GET {FACTORS}": lambda world: Ask(_user(world) + "/second-factors"),
    f"POST {FACTORS}": lambda world: Ask(_user(world) + "/second-factors", {"kind": "totp"}),
    f"DELETE {FACTORS}": lambda world: Ask(_with_factor(world)[0] + "/second-factors"),
    f"POST {FACTORS}/verify": lambda world: _code_to_verify(world),
    f"GET {FACTOR}": lambda world: Ask(_factor(world)),
    f"DELETE {FACTOR}": lambda world: Ask(_factor(world)),
    f"POST {FACTOR}/activate": lambda world: _app_to_activate(world),
    f"POST {USER}/recovery-codes": lambda world: Ask(_with_factor(world)[0] + "/recovery-codes"),
    f"POST {USER}/adopt": lambda world: Ask(_user(world) + "/adopt"),
    f"POST {USER}/suspend": lambda world: Ask(_user(world) + "/suspend"),
    f"POST {USER}/activate": lambda world: Ask(_suspended(world) + "/activate"),
    f"POST {USER}/restore": lambda world: Ask(_deleted(world) + "/restore"),
    f"GET {USER}/export": lambda world: Ask(_user(world) + "/export"),
    "GET /v1/exports": lambda world: Ask("/v1/exports"),
    "GET /v1/applications": lambda world: Ask("/v1/applications"),
    "POST /v1/applications": lambda world: Ask("/v1/applications", BODIES["POST /v1/applications"]),
    f"GET {APPLICATION}": lambda world: Ask(_application(world)),
    f"PATCH {APPLICATION}": lambda world: Ask(_application(world), BODIES[f"PATCH {APPLICATION}"]),
    f"DELETE {APPLICATION}": lambda world: Ask(_application(world)),
    "GET /v1/groups": lambda world: Ask("/v1/groups"),
    "POST /v1/groups": lambda world: Ask("/v1/groups", BODIES["POST /v1/groups"]),
    f"GET {GROUP}": lambda world: Ask(world.new_group()),
    f"PUT {GROUP}": lambda world: Ask(world.new_group(), BODIES[f"PUT {GROUP}"]),
    f"PATCH {GROUP}": lambda world: Ask(world.new_group(), BODIES[f"PATCH {GROUP}"]),
    f"DELETE {GROUP}": lambda world: Ask(world.new_group()),
    f"GET {MEMBERS}": lambda world: Ask(world.new_member().rpartition("/")[0]),
    f"POST {MEMBERS}": lambda world: Ask(world.new_group() + "/members", BODIES[f"POST {MEMBERS}"]),
    f"PUT {MEMBER}": lambda world: Ask(world.new_member(), BODIES[f"PUT {MEMBER}"]),
    f"DELETE {MEMBER}": lambda world: Ask(world.new_member()),
    "GET /v1/keys": lambda world: Ask("/v1/keys"),
    "POST /v1/keys": lambda world: Ask("/v1/keys", BODIES["POST /v1/keys"]),
    f"GET {KEY}": lambda world: Ask("/v1/keys/current"),
    f"PATCH {KEY}": lambda world: Ask(f"/v1/keys/{world.new_key_id()}", BODIES[f"PATCH {KEY}"]),
    f"DELETE {KEY}": lambda world: Ask(f"/v1/keys/{world.new_key_id()}"),
    f"POST {KEY}/reveal": lambda world: Ask(f"/v1/keys/{world.new_key_id()}/reveal", BODIES[f"POST {KEY}/reveal"]),
    f"POST {KEY}/rotate": lambda world: Ask(f"/v1/keys/{world.new_key_id()}/rotate", BODIES[f"POST {KEY}/rotate"]),
    "GET /v1/sessions": lambda world: Ask("/v1/sessions"),
    "POST /v1/sessions": lambda world: Ask("/v1/sessions", world.credentials),
    "POST /v1/sessions/refresh": lambda world: Ask(
        "/v1/sessions/refresh", {"refresh_token": world.new_session()["refresh_token"], "audience": "shop"}
    ),
    "POST /v1/sessions/verify": lambda world: Ask(
        "/v1/sessions/verify", {"token": world.new_session()["token"], "audience": "shop"}
    ),
    "GET /v1/requests": lambda world: Ask("/v1/requests"),
    "GET /v1/usage": lambda world: Ask("/v1/usage"),
    "GET /v1/requests/{requestId}": lambda world: Ask(f"/v1/requests/{logged(world)}"),
    f"DELETE {SESSION}": lambda world: Ask(f"/v1/sessions/{world.new_session_id()}"),
    "GET /v1/webhooks": lambda world: Ask("/v1/webhooks"),
    "POST /v1/webhooks": lambda world: Ask("/v1/webhooks", BODIES["POST /v1/webhooks"]),
    f"GET {WEBHOOK}": lambda world: Ask(world.new_webhook()),
    f"PATCH {WEBHOOK}": lambda world: Ask(world.new_webhook(), BODIES[f"PATCH {WEBHOOK}"]),
    f"DELETE {WEBHOOK}": lambda world: Ask(world.new_webhook()),
    f"POST {WEBHOOK}/reveal": lambda world: Ask(world.new_webhook() + "/reveal", BODIES[f"POST {WEBHOOK}/reveal"]),
    f"POST {WEBHOOK}/rotate-secret": lambda world: Ask(
        world.new_webhook() + "/rotate-secret", BODIES[f"POST {WEBHOOK}/rotate-secret"]
    ),
    f"POST {WEBHOOK}/test": lambda world: Ask(world.new_webhook() + "/test", BODIES[f"POST {WEBHOOK}/test"]),
    f"GET {WEBHOOK}/deliveries": lambda world: Ask(world.new_delivery().rpartition("/")[0]),
    f"GET {DELIVERY}": lambda world: Ask(world.new_delivery()),
    f"POST {DELIVERY}/resend": lambda world: Ask(world.new_delivery(of_event=True) + "/resend"),
    f"GET {WEBHOOK}/replays": lambda world: Ask(world.new_replay().rpartition("/")[0]),
    f"POST {WEBHOOK}/replays": lambda world: Ask(world.new_webhook() + "/replays", BODIES[f"POST {WEBHOOK}/replays"]),
    f"GET {REPLAY}": lambda world: Ask(world.new_replay()),
    f"DELETE {REPLAY}": lambda world: Ask(world.new_replay()),
    "GET /v1/imports": lambda world: Ask("/v1/imports"),
    "POST /v1/imports": lambda world: Ask("/v1/imports?dry_run=true", {"name": "Charlie", "email": world.email()}),
    f"GET {IMPORT}": lambda world: Ask(world.new_import()),
    f"GET {IMPORT}/report": lambda world: Ask(world.new_import() + "/report"),
    f"POST {IMPORT}/run": lambda world: Ask(world.new_tested() + "/run"),
    f"POST {IMPORT}/cancel": lambda world: Ask(world.new_import() + "/cancel"),
    f"POST {IMPORT}/suspend": lambda world: Ask(world.new_absence() + "/suspend", BODIES[f"POST {IMPORT}/suspend"]),
    f"POST {IMPORT}/undo": lambda world: Ask(world.new_imported() + "/undo"),
    "GET /v1/bulk-jobs": lambda world: Ask("/v1/bulk-jobs"),
    "POST /v1/bulk-jobs": lambda world: Ask("/v1/bulk-jobs", BODIES["POST /v1/bulk-jobs"]),
    f"GET {JOB}": lambda world: Ask(world.new_job()),
    f"GET {JOB}/results": lambda world: Ask(world.new_job() + "/results"),
    f"POST {JOB}/cancel": lambda world: Ask(world.new_job() + "/cancel"),
    f"POST {JOB}/undo": lambda world: Ask(world.new_job() + "/undo"),
    "GET /v1/rules": lambda world: Ask("/v1/rules"),
    "POST /v1/rules": lambda world: Ask("/v1/rules", RULE),
    "POST /v1/rules/preview": lambda world: Ask("/v1/rules/preview", RULE),
    f"GET {RULE_PATH}": lambda world: Ask(world.new_rule()),
    f"PATCH {RULE_PATH}": lambda world: Ask(world.new_rule(), BODIES[f"PATCH {RULE_PATH}"]),
    f"DELETE {RULE_PATH}": lambda world: Ask(world.new_rule()),
    f"POST {RULE_PATH}/preview": lambda world: Ask(world.new_rule() + "/preview"),
    f"POST {RULE_PATH}/run": lambda world: Ask(world.new_rule(enabled=True) + "/run"),
    f"GET {RULE_PATH}/runs": lambda world: Ask(world.new_rule() + "/runs"),
    "GET /v1/events": lambda world: Ask("/v1/events"),
    "GET /v1/events/{eventId}": lambda world: Ask(f"/v1/events/{new_update(world.http)}"),
    "POST /v1/events/{eventId}/revert": lambda world: Ask(f"/v1/events/{new_update(world.http)}/revert"),
    "GET /v1/events/stream": lambda world: Ask("/v1/events/stream"),
    "GET /metrics": lambda world: Ask("/metrics"),
    "GET /health/live": lambda world: Ask("/health/live"),
    "GET /health/ready": lambda world: Ask("/health/ready"),
    "GET /openapi.json": lambda world: Ask("/openapi.json"),
    "GET /.well-known/jwks.json": lambda world: Ask("/.well-known/jwks.json"),
}


@pytest.fixture(scope="module")
def world(server: Server, http: httpx2.Client) -> Iterator[World]:
    world = World(server, http)
    yield world
    world.close()


@contextmanager
def client(world: World, **fields: Any) -> Iterator[httpx2.Client]:
    with world.server.http(new_key(world.http, **fields)) as found:
        yield found


# ---- all is well


@once
def test_every_row_has_a_request_that_shows_its_success() -> None:
    assert set(VALID) == {name(route) for route in ROUTES}
    assert set(BODIES) == {name(route) for route in ROUTES if route.body is not None}


@every_row
def test_a_valid_request_gets_the_rows_status_and_a_body_of_its_type(
    world: World, anonymous: httpx2.Client, route: Route
) -> None:
    ask = world.valid(route)
    answer = world.ask(route, ask, world.http if route.scope else anonymous)
    assert answer.status_code == route.success, answer.text
    if route.answer is dict:
        assert answer.json()["openapi"].startswith("3.1")
    else:
        fits(answer, route.answer)
    assert ("ratelimit-remaining" in answer.headers) == (route.scope is not None)
    assert ("location" in answer.headers) == (route.success == 201 and route.answer is not token_calls.Token)
    if route.path == "/.well-known/jwks.json":
        assert answer.headers["cache-control"] == "public, max-age=300"
    else:
        private = route.path.startswith(("/v1", "/health"))
        assert answer.headers["cache-control"] == ("no-store" if private else "no-cache")
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code != 204:
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@once
@grid("route", [route for route in ROUTES if route.method == "GET" or route.scope is None], ids=name)
def test_a_trailing_slash_makes_no_difference(world: World, route: Route) -> None:
    answer = world.ask(route, slashed(world.valid(route)))
    assert answer.status_code == route.success, answer.text
    assert answer.history == [] and "/" not in answer.headers.get("location", "/v1/x/y")[-1]


def slashed(ask: Ask) -> Ask:
    path, mark, query = ask.path.partition("?")
    return ask._replace(path=f"{path}/{mark}{query}")


def test_what_was_made_is_found_where_location_says(world: World) -> None:
    for path in ("/v1/users", "/v1/keys", "/v1/groups"):
        made = world.http.post(path, json=world.valid(next(r for r in ROUTES if name(r) == f"POST {path}")).json)
        assert world.http.get(made.headers["location"]).json()["id"] == made.json()["id"]


@once
@grid("route", [route for route in ROUTES if route.method == "GET"], ids=name)
def test_head_answers_as_get_without_the_body(world: World, route: Route) -> None:
    ask = world.valid(route)
    plain = {"Accept-Encoding": "identity"}

    def same(answer: httpx2.Response) -> dict[str, str]:
        own = (
            "date",
            "x-request-id",
            "request-position",
            "content-length",
            "ratelimit",
            "ratelimit-remaining",
            "ratelimit-reset",
            "transfer-encoding",
            *(("event-position",) if route.path == "/v1/exports" else ()),  # an export leaves an event
        )
        return {field: value for field, value in answer.headers.items() if field not in own}

    for _ in range(20):  # what is listed may change in between: events are being delivered
        got, head = world.ask(route, ask, headers=plain), world.http.head(ask.path, headers=plain)
        if head.headers.get("content-length") == got.headers.get("content-length") and same(head) == same(got):
            break
    assert head.content == b"" and head.status_code == got.status_code
    assert same(head) == same(got)
    if "transfer-encoding" in got.headers:  # a stream, whose length nobody knows before its end
        assert "content-length" not in head.headers
    elif route.path != "/metrics":  # each scrape counts itself
        assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))


@once
@pytest.mark.parametrize("path", ["/v1/users/user_06h15iau59rth0k51t0sbk84b4", "/v1/nowhere", "/v1/users?limit=0"])
def test_head_answers_errors_as_get_without_the_body(world: World, path: str) -> None:
    plain = {"Accept-Encoding": "identity"}
    got, head = world.http.get(path, headers=plain), world.http.head(path, headers=plain)
    assert got.status_code >= 400
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        got.status_code,
        b"",
        got.headers["content-length"],
    )


# ---- paths and methods


def logged(world: World) -> str:
    """A request that is in the log, which is written every 1.5 seconds."""
    deadline = time.monotonic() + 60
    while not (found := world.http.get("/v1/requests", params={"limit": 1}).json()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found[0]["id"]


def methods_of(path: str) -> list[str]:
    found = {route.method for route in ROUTES if route.path == path} | {"OPTIONS"}
    return [method for method in METHODS if method in found or (method == "HEAD" and "GET" in found)]


def concrete(world: World, path: str) -> str:
    items = {
        "{userId}": world.user["id"],
        "{applicationId}": world.user["id"],
        "{keyId}": "current",
        "{groupId}": ids.new("group"),
        "{sessionId}": ids.new("ses"),
        "{tokenId}": ids.new("tok"),
        "{factorId}": ids.new("fac"),
        "{webhookId}": ids.new("webhook"),
        "{deliveryId}": ids.new("dlv"),
        "{replayId}": ids.new("replay"),
        "{importId}": ids.new("imp"),
        "{eventId}": ids.new("evt"),
        "{jobId}": ids.new("job"),
        "{ruleId}": ids.new("rule"),
        "{requestId}": "req_" + "0" * 24,
    }
    for braces, item in items.items():
        path = path.replace(braces, item)
    return path


@once
@every_path
def test_options_tells_the_methods_without_a_key(world: World, anonymous: httpx2.Client, path: str) -> None:
    answer = anonymous.options(concrete(world, path))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == ", ".join(methods_of(path))


@once
@every_path
def test_another_method_is_405_and_told_which_there_are(world: World, path: str) -> None:
    allowed = methods_of(path)
    with world.log.silent():
        for method in sorted(set(METHODS) - set(allowed)):
            answer = world.http.request(method, concrete(world, path))
            assert answer.headers["allow"] == ", ".join(allowed)
            if method == "HEAD":
                assert (answer.status_code, answer.content) == (405, b"")
            else:
                refused(answer, errors.MethodNotAllowed)


@once
@pytest.mark.parametrize("method", ["TRACE", "PURGE", "PROPFIND"])
def test_a_method_that_no_path_has_is_405(world: World, method: str) -> None:
    answer = world.http.request(method, "/v1/users")
    assert refused(answer, errors.MethodNotAllowed)["error"].startswith(method)
    assert "GET" in answer.headers["allow"]


@once
def test_trace_is_refused_everywhere_and_ends_nothing(world: World) -> None:
    for path in ("/v1/users", "/v1/users/me", "/nothing", "/health/live", "/"):
        answer = world.http.request("TRACE", path)
        refused(answer, errors.MethodNotAllowed)
        assert "TRACE" not in answer.headers["allow"]
        assert world.http.get("/health/live").status_code == 200


@once
@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v2/users",
        "/v1/user",
        "/v1/users/me/nothing",
        "/v1/users/me/keys/1",
        "/v1//users",
        "//v1/users",
        "/v1/users//",
        "/%2e%2e/etc/passwd",
        "/V1/users",
    ],
)
def test_an_unknown_path_is_404_in_json(world: World, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        refused(world.http.request(method, path), errors.NotFound)


@once
def test_a_stranger_is_not_told_which_paths_and_methods_there_are(anonymous: httpx2.Client) -> None:
    for method, path in (("GET", "/v1/nowhere"), ("DELETE", "/v1/users"), ("POST", "/metrics")):
        refused(anonymous.request(method, path), errors.MissingKey)


# ---- who is it


@pytest.fixture
def nothing_happens(world: World, narrow: dict[str, httpx2.Client], exhausted: httpx2.Client) -> Iterator[None]:
    """No request of the test writes an event."""
    with world.log.silent():
        yield


@once
@every_row_with_key
@pytest.mark.usefixtures("nothing_happens")
def test_without_a_key_it_is_401_and_nothing_happens(world: World, anonymous: httpx2.Client, route: Route) -> None:
    ask = world.any(route)
    answer = world.ask(route, ask, anonymous)
    refused(answer, errors.MissingKey)
    assert answer.headers["www-authenticate"] == 'Bearer realm="Rollbook"'
    in_query = world.ask(route, ask, anonymous, params={"api_key": world.server.key, "access_token": world.server.key})
    refused(in_query, errors.MissingKey)


@once
@every_row_with_key
@pytest.mark.usefixtures("nothing_happens")
def test_with_a_wrong_key_it_is_401_and_nothing_happens(world: World, anonymous: httpx2.Client, route: Route) -> None:
    ask = world.any(route)
    for header, error in (
        (f"Bearer {key_format.mint()}", errors.InvalidKey),
        (f"Bearer {world.server.key[:-1]}", errors.MalformedKey),
        (f"Basic {world.server.key}", errors.MalformedKey),
    ):
        answer = world.ask(route, ask, anonymous, headers={"Authorization": header})
        assert refused(answer, error)["error"] == "Invalid API key provided."
        assert answer.headers["www-authenticate"] == 'Bearer realm="Rollbook", error="invalid_token"'


@once
@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_the_schemes_name_is_taken_in_any_case(world: World, anonymous: httpx2.Client, scheme: str) -> None:
    assert anonymous.get("/v1/users/me", headers={"Authorization": f"{scheme} {world.server.key}"}).status_code == 200


# ---- may they


@pytest.fixture(scope="module")
def narrow(world: World) -> Iterator[dict[str, httpx2.Client]]:
    """By each scope a client that has all others, and one of a member."""
    with ExitStack() as opened:
        found = {
            scope: opened.enter_context(client(world, scopes=sorted(set(SCOPES) - {scope})))
            for scope in {route.scope for route in WITH_KEY if route.scope}
        }
        yield found | {"of a member": opened.enter_context(client(world, user_id=world.user["id"]))}


@once
@every_row_with_key
@pytest.mark.usefixtures("nothing_happens")
def test_without_the_scope_it_is_403_and_nothing_happens(
    world: World, narrow: dict[str, httpx2.Client], route: Route
) -> None:
    assert route.scope in SCOPES
    ask = world.any(route)
    for each in (ask, slashed(ask)):
        answer = world.ask(route, each, narrow[route.scope])
        refused(answer, errors.InsufficientScope)
        assert f'error="insufficient_scope", scope="{route.scope}"' in answer.headers["www-authenticate"]
        assert answer.json()["error"] == f"This API key does not have the scope {route.scope}."


@once
@grid("route", [route for route in WITH_KEY if not route.self_access], ids=name)
@pytest.mark.usefixtures("nothing_happens")
def test_a_member_gets_403_where_the_row_leaves_it_nothing(
    world: World, narrow: dict[str, httpx2.Client], route: Route
) -> None:
    refused(world.ask(route, world.any(route), narrow["of a member"]), errors.InsufficientScope)


# ---- how often


@pytest.fixture(scope="module")
def exhausted(world: World) -> Iterator[httpx2.Client]:
    """An owner's client whose limit is used up."""
    spent = new_user(world.http, role="admin", rate_limit="1/hour")
    with client(world, user_id=spent["id"]) as found:
        assert found.get("/v1/users/me").headers["ratelimit-remaining"] == "0"
        yield found


@once
@every_row_with_key
@pytest.mark.usefixtures("nothing_happens")
def test_beyond_the_limit_it_is_429_and_nothing_happens(world: World, exhausted: httpx2.Client, route: Route) -> None:
    answer = world.ask(route, world.any(route), exhausted)
    refused(answer, errors.TooManyRequests)
    assert answer.headers["retry-after"] == answer.headers["ratelimit-reset"]
    assert answer.headers["ratelimit-remaining"] == "0"


@once
@pytest.mark.parametrize("route", [route for route in ROUTES if route.scope is None], ids=name)
def test_what_needs_no_key_has_no_limit(world: World, exhausted: httpx2.Client, route: Route) -> None:
    assert world.ask(route, world.any(route), exhausted).status_code == 200


# ---- each error of each row

Provoke = Callable[[World, Route], httpx2.Response]


def unknown(world: World, route: Route) -> httpx2.Response:
    """An identifier that nobody has."""
    kinds = {
        "userId": "user",
        "applicationId": "user",
        "keyId": "key",
        "groupId": "group",
        "sessionId": "ses",
        "tokenId": "tok",
        "factorId": "fac",
        "webhookId": "webhook",
        "deliveryId": "dlv",
        "replayId": "replay",
        "importId": "imp",
        "eventId": "evt",
        "jobId": "job",
        "ruleId": "rule",
    }
    path = re.sub(
        r"{(\w+)}", lambda name: ids.new(kinds[name[1]]), route.path.replace("{requestId}", "req_" + "0" * 24)
    )
    return world.ask(route, Ask(path, BODIES.get(name(route))))


def unknown_owner(world: World, route: Route) -> httpx2.Response:
    if route.method == "GET":
        return world.http.get(route.path, params={"user": ids.new("user")})
    return world.http.post(route.path, json={**BODIES[name(route)], "user_id": ids.new("user")})


def unknown_group(world: World, route: Route) -> httpx2.Response:
    return world.http.get(route.path, params={"group": ids.new("group")})


def job_of_unknown_group(world: World, route: Route) -> httpx2.Response:
    return world.http.post(route.path, json={"action": "suspend", "filter": {"group": ids.new("group")}})


def rule_of_unknown_group(world: World, route: Route) -> httpx2.Response:
    return world.http.post(route.path, json={**RULE, "who": {"group": ids.new("group")}})


def stale(world: World, route: Route) -> httpx2.Response:
    return world.ask(route, world.valid(route), headers={"If-Match": '"999"'})


def taken(field: str) -> Provoke:
    def provoke(world: World, route: Route) -> httpx2.Response:
        value = world.email() if field == "email" else f"external-{world.email()}"
        if route.path.endswith("/restore"):
            path = _user(world, **{field: value})
            assert world.http.delete(path).status_code == 204
            new_user(world.http, **{field: value})
            return world.http.post(path + "/restore")
        new_user(world.http, **{field: value})
        ask = world.valid(route)
        return world.ask(route, ask._replace(json={**(ask.json or {}), field: value}))

    return provoke


def taken_by_group(world: World, route: Route) -> httpx2.Response:
    value = f"external-{world.email()}"
    world.new_group(external_id=value)
    ask = world.valid(route)
    return world.ask(route, ask._replace(json={**(ask.json or {}), "external_id": value}))


def taken_by_token(world: World, route: Route) -> httpx2.Response:
    """The new email of a token: when it is created, or when it is consumed."""
    path, email = _user(world), world.email()
    asked = {"purpose": "change_email", "email": email}
    token = {} if route.path.endswith("/tokens") else new_token(world.http, path[10:], **asked)
    new_user(world.http, email=email)
    return world.ask(route, Ask(route.path, {"token": token["token"]}) if token else Ask(path + "/tokens", asked))


def yourself(world: World, route: Route) -> httpx2.Response:
    if route.path == APPLICATION:
        return _itself(world, route)
    path = route.path.replace("{userId}", world.owner["id"])
    if path.endswith("/tokens"):
        return world.ask(route, Ask(path, {"purpose": "reset_password"}))
    return world.ask(route, Ask(path, {"status": "suspended"} if route.method in ("PUT", "PATCH") else None))


def _itself(world: World, route: Route) -> httpx2.Response:
    """An application with full access that stops itself."""
    id = world.http.post("/v1/applications", json={"name": "Shop", "role": "admin"}).json()["id"]
    with client(world, user_id=id) as own:
        path = route.path.replace("{applicationId}", id)
        return own.request(route.method, path, json={"status": "suspended"} if route.method == "PATCH" else None)


def only_owner(world: World, route: Route) -> httpx2.Response:
    """The one owner gives its role away."""
    return world.ask(route, Ask(route.path.replace("{userId}", world.owner["id"]), {"role": "admin"}))


SIGN_INS = ("/v1/users/verify-password", "/v1/sessions")
"""Calls with somebody's email and password."""


def sign_in_by(http: httpx2.Client, route: Route, user: dict[str, Any], password: str) -> httpx2.Response:
    more = {"audience": "shop"} if route.path == "/v1/sessions" else {}
    return http.post(route.path, json={"email": user["email"], "password": password, **more})


def wrong_password(world: World, route: Route) -> httpx2.Response:
    wrong = "not the password"
    if route.path in SIGN_INS:
        return sign_in_by(world.http, route, world.user, wrong)
    me = new_user(world.http, role="viewer")
    with client(world, user_id=me["id"]) as own:
        return _prove(own, route, wrong)


def too_many_attempts(world: World, route: Route) -> httpx2.Response:
    me = new_user(world.http, role="viewer")
    with client(world, user_id=me["id"]) as own:

        def prove(password: str) -> httpx2.Response:
            if route.path in SIGN_INS:
                return sign_in_by(world.http, route, me, password)
            return _prove(own, route, password)

        for _ in range(10):
            assert prove("not the password").status_code == 401
        return prove(me["password"])


def _prove(own: httpx2.Client, route: Route, password: str) -> httpx2.Response:
    """A call of somebody who has to give their own password."""
    if route.path.startswith("/v1/webhooks"):
        made = own.post("/v1/webhooks", json={"url": "inbox"}).json()
        return own.post(f"/v1/webhooks/{made['id']}/reveal", json={"password": password})
    if route.path == KEY:
        return own.patch(f"/v1/keys/{narrow_key(own)}", json={"scopes": None, "current_password": password})
    if route.path.endswith("/reveal"):
        return own.post("/v1/keys/current/reveal", json={"password": password})
    if route.path == USER:
        email = f"changed{time.perf_counter_ns()}@example.com"
        return own.request(route.method, "/v1/users/me", json={"email": email, "current_password": password})
    return own.put("/v1/users/me/password", json={"password": "anothersecurepassword", "current_password": password})


def of_own_factor(world: World, route: Route, code: str | None = None) -> httpx2.Response:
    """A call that changes a factor of the caller's own, with a wrong code ten times and then this one."""
    me = new_user(world.http)
    app = enrolled(world.http, me["id"])
    with client(world, user_id=me["id"]) as own:

        def ask(sent: str) -> httpx2.Response:
            path = route.path.replace("{userId}", "me").replace("{factorId}", app.factor_id)
            if route.method == "DELETE":
                return own.delete(path, params={"code": sent})
            return own.post(path, json={**BODIES[name(route)], "code": sent})

        if code is None:
            return ask(app.wrong())
        for _ in range(10):
            refused(ask(app.wrong()), errors.WrongCode)
        return ask(app.code())


def wrong_code(world: World, route: Route) -> httpx2.Response:
    if route.path == "/v1/sessions":
        challenge = with_factor(world, route).json()["challenge"]
        return world.ask(route, Ask(route.path, {"challenge": challenge, "code": "0000000", "audience": "shop"}))
    if route.path in ("/v1/users/verify-challenge", f"{FACTOR}/activate", f"{FACTORS}/verify"):
        ask = world.valid(route)
        return world.ask(route, ask._replace(json={**(ask.json or {}), "code": "0000000"}))
    return of_own_factor(world, route)


def narrow_key(own: httpx2.Client) -> str:
    """ID of a key that can be given more."""
    return str(own.post("/v1/keys", json={"name": "narrow", "scopes": ["keys:read"]}).json()["id"])


def wrong_code_instead_of_a_password(world: World, route: Route) -> httpx2.Response:
    """Of somebody with a second factor, who reveals something of their own."""
    me = new_user(world.http, role="viewer")
    with client(world, user_id=me["id"]) as own:
        path = "/v1/keys/current"
        if route.path.startswith("/v1/webhooks"):
            path = f"/v1/webhooks/{own.post('/v1/webhooks', json={'url': 'inbox'}).json()['id']}"
        code = {"code": enrolled(world.http, me["id"]).wrong()}
        if route.path == KEY:
            return own.patch(f"/v1/keys/{narrow_key(own)}", json={"scopes": None, **code})
        return own.post(f"{path}/reveal", json=code)


def code_of_a_token(world: World, route: Route, code: str | None = None) -> httpx2.Response:
    """A token of a user with a second factor, with this code."""
    user = new_user(world.http)
    app = enrolled(world.http, user["id"])
    body = {"token": new_token(world.http, user["id"], purpose="sign_in")["token"]}
    return world.http.post(route.path, json=body | ({} if code is None else {"code": code or app.wrong()}))


def too_many_codes_of_a_token(world: World, route: Route) -> httpx2.Response:
    user = new_user(world.http)
    app = enrolled(world.http, user["id"])
    body = {"token": new_token(world.http, user["id"], purpose="sign_in")["token"]}
    for _ in range(10):
        refused(world.http.post(route.path, json=body | {"code": app.wrong()}), errors.WrongCode)
    return world.http.post(route.path, json=body | {"code": app.recovery_codes[0]})


def too_many_codes(world: World, route: Route) -> httpx2.Response:
    if route.path not in ("/v1/users/verify-challenge", f"{FACTORS}/verify"):
        return of_own_factor(world, route, "right")
    ask = world.valid(route)
    for _ in range(10):
        refused(world.ask(route, ask._replace(json={**(ask.json or {}), "code": "0000000"})), errors.WrongCode)
    return world.ask(route, ask)


def no_challenge(world: World, route: Route) -> httpx2.Response:
    more = {"audience": "shop"} if route.path == "/v1/sessions" else {}
    return world.ask(route, Ask(route.path, {"challenge": "Example-Only", "code": "123456", **more}))


def with_factor(world: World, route: Route) -> httpx2.Response:
    user = new_user(world.http)
    enrolled(world.http, user["id"])
    return sign_in_by(world.http, route, user, user["password"])


def suspended_with_factor(world: World, route: Route) -> httpx2.Response:
    """Their challenge ends with the suspension, so it must come between the challenge and the answer."""
    path, app = _with_factor(world)
    assert world.http.post(path + "/suspend").status_code == 200
    world.log.news()
    return world.http.post(path + "/second-factors/verify", json={"code": app.recovery_codes[0]})


def full_of_factors(world: World, route: Route) -> httpx2.Response:
    path = _user(world)
    for _ in range(20):
        enrolled(world.http, path.rpartition("/")[2])
    return world.http.post(path + "/second-factors", json={"kind": "totp"})


def wrong_own_password(world: World, route: Route) -> httpx2.Response:
    with client(world, user_id=new_user(world.http)["id"]) as own:
        return own.post(
            route.path.replace("{userId}", "me"), json={"kind": "totp", "current_password": "not the password"}
        )


def suspended_user(world: World, route: Route) -> httpx2.Response:
    user = new_user(world.http)
    assert world.http.post(f"/v1/users/{user['id']}/suspend").status_code == 200
    world.log.news()
    return sign_in_by(world.http, route, user, user["password"])


def ended_session(world: World, route: Route) -> httpx2.Response:
    ask = world.valid(route)
    for session in world.http.get("/v1/sessions", params={"user": world.user["id"]}).json():
        assert world.http.delete(f"/v1/sessions/{session['id']}").status_code == 204
    return world.ask(route, ask)


def overloaded(world: World, route: Route) -> httpx2.Response:
    """One hash runs, one waits, and there is no room for a third: three others keep it so until the one who asks is
    refused.

    A stranger gives way to strangers, a known user to those who have had less time: so the others are of the same kind,
    and each is served in turn.
    """
    http = world.busy
    verify, reveal, consume = "/v1/users/verify-password", "/v1/keys/current/reveal", "/v1/tokens/consume"
    proof = {"password": OWNER_PASSWORD}
    asks: dict[str, Callable[[], Ask]] = {
        "/v1/users": lambda: Ask("/v1/users", BODIES["POST /v1/users"] | {"email": world.email()}),
        "/v1/users/bulk": lambda: VALID["POST /v1/users/bulk"](world),
        verify: lambda: Ask(verify, proof | {"email": OWNER_EMAIL}),
        "/v1/sessions": lambda: Ask("/v1/sessions", proof | {"email": OWNER_EMAIL, "audience": "shop"}),
        f"{USER}/password": lambda: Ask("/v1/users/me/password", proof | {"current_password": OWNER_PASSWORD}),
        KEY: lambda: Ask(f"/v1/keys/{narrow_key(http)}", {"scopes": None, "current_password": OWNER_PASSWORD}),
        f"{KEY}/reveal": lambda: Ask(reveal, proof),
        FACTORS: lambda: Ask("/v1/users/me/second-factors", {"kind": "totp", "current_password": OWNER_PASSWORD}),
        f"{WEBHOOK}/reveal": lambda: Ask(f"/v1/webhooks/{world.busy_webhook}/reveal", proof),
        USER: lambda: Ask("/v1/users/me", {"email": world.email(), "current_password": OWNER_PASSWORD}),
    }
    member = world.busy_members[0].get("/v1/users/me").json()["id"]
    asks[consume] = lambda: Ask(
        consume,
        {"token": new_token(http, member, purpose="reset_password")["token"], "revoke_keys": False}
        | {"password": OWNER_PASSWORD},
    )
    ask = asks[route.path]
    asker, *others = world.busy_members
    asking = asker if route.path == USER else http
    before = http.get("/v1/users/count").json()["count"]
    refused = threading.Event()

    def other(member: httpx2.Client) -> None:
        while not refused.is_set():
            if route.path in SIGN_INS:
                status = http.post(verify, json=proof | {"email": world.email()}).status_code
            else:
                status = member.post(reveal, json=proof).status_code
            assert status in ((401, 503) if route.path in SIGN_INS else (200, 503))
            time.sleep(0.005)

    served = 0
    with ThreadPoolExecutor(len(others)) as pool:
        asked = [pool.submit(other, member) for member in others]
        deadline = time.monotonic() + 60
        try:
            while (answer := world.ask(route, ask(), asking)).status_code == route.success:
                served += 1
                assert time.monotonic() < deadline, "the queue was never full"
        finally:
            refused.set()
        for each in asked:
            each.result()
    assert int(answer.headers["retry-after"]) >= 1
    created = served if route.path in ("/v1/users", "/v1/users/bulk") else 0
    assert http.get("/v1/users/count").json()["count"] == before + created, "who is refused changes nothing"
    # The one try that the server allows was not spent on an answer that said nothing about the password.
    assert world.ask(route, ask(), asking).status_code == route.success
    return answer


def last_owner_in_a_race(world: World, route: Route) -> httpx2.Response:
    """Two owners remove each other at the same moment: the one who comes second would leave nobody.

    Both are let in, then wait for what all writers need, which the test holds. Who is let in only when it is over,
    because the machine had other work, is nobody by then; so it is tried again.
    """
    for _ in range(10):
        lost = owners_in_a_race(world, route)
        if lost.status_code == errors.LastOwner.status and lost.json()["code"] == errors.LastOwner.code:
            break
    return lost


def many_pages(world: World, route: Route) -> httpx2.Response:
    with (
        running(world.server.data.with_name("pages" + ids.new("key")), "--page-limit", "1/minute") as server,
        server.http(None) as stranger,
    ):
        assert stranger.get(route.path).status_code == 200
        return stranger.get(route.path)


def owners_in_a_race(world: World, route: Route) -> httpx2.Response:
    """The answer to the one who has lost."""
    with (
        running(world.server.data.with_name("owners" + ids.new("key")), "--rate-limit", "none") as server,
        server.http() as first,
    ):
        one = first.get("/v1/users/me").json()
        two = new_user(first, role="owner")
        with server.http(new_key(first, user_id=two["id"])) as second, ThreadPoolExecutor(2) as pool:
            assert second.get("/v1/users/me").json()["id"] == two["id"]
            with server.writers_wait():
                answers = []
                for client, other in ((first, two), (second, one)):
                    path = route.path.replace("{userId}", other["id"])
                    answers.append(pool.submit(client.request, route.method, path))
                    time.sleep(0.3)
            won, lost = sorted(
                (answer.result() for answer in answers), key=lambda answer: answer.status_code != route.success
            )
            assert won.status_code == route.success != lost.status_code
            stayed = one if won is answers[0].result() else two
            owners = server.ask("SELECT id FROM users WHERE role = 'owner' AND status = 'active'")
            assert [id for (id,) in owners] == [stayed["id"]]
            return lost


PROVOKED: dict[type[ApiError], Provoke] = {
    errors.NotFound: unknown,
    errors.PreconditionFailed: stale,
    errors.EmailTaken: taken("email"),
    errors.ExternalIdTaken: taken("external_id"),
    errors.NotYourself: yourself,
    errors.LastOwner: only_owner,
    errors.TokenInvalid: lambda world, route: world.ask(
        route, Ask(route.path, {"token": "x", "audience": "shop"} if "sessions" in route.path else BODIES[name(route)])
    ),
    errors.WrongPassword: wrong_password,
    errors.WrongCode: wrong_code,
    errors.InvalidChallenge: no_challenge,
    errors.SecondFactorRequired: with_factor,
    errors.FactorLimitReached: full_of_factors,
    errors.TooManyAttempts: too_many_attempts,
    errors.UserSuspended: suspended_user,
    errors.SessionEnded: ended_session,
    errors.Overloaded: overloaded,
}
# Rows that need another way than the error's usual one.
OTHERWISE: dict[tuple[str, type[ApiError]], Provoke] = {
    ("GET /openapi.json", errors.TooManyRequests): many_pages,
    ("GET /v1/users", errors.NotFound): unknown_group,
    ("GET /v1/users/count", errors.NotFound): unknown_group,
    ("GET /v1/exports", errors.NotFound): unknown_group,
    ("POST /v1/bulk-jobs", errors.NotFound): job_of_unknown_group,
    ("POST /v1/rules", errors.NotFound): rule_of_unknown_group,
    ("POST /v1/rules/preview", errors.NotFound): rule_of_unknown_group,
    ("GET /v1/groups", errors.NotFound): unknown_owner,
    **{(row, errors.ExternalIdTaken): taken_by_group for row in ("POST /v1/groups", f"PUT {GROUP}", f"PATCH {GROUP}")},
    ("GET /v1/keys", errors.NotFound): unknown_owner,
    ("POST /v1/keys", errors.NotFound): unknown_owner,
    ("GET /v1/sessions", errors.NotFound): unknown_owner,
    ("GET /v1/requests", errors.NotFound): unknown_owner,
    ("GET /v1/usage", errors.NotFound): unknown_owner,
    ("GET /v1/webhooks", errors.NotFound): unknown_owner,
    (f"POST {USER}/tokens", errors.EmailTaken): taken_by_token,
    ("POST /v1/tokens/consume", errors.EmailTaken): taken_by_token,
    ("POST /v1/tokens/consume", errors.SecondFactorRequired): code_of_a_token,
    ("POST /v1/tokens/consume", errors.WrongCode): lambda world, route: code_of_a_token(world, route, ""),
    ("POST /v1/tokens/consume", errors.TooManyAttempts): too_many_codes_of_a_token,
    (f"PATCH {KEY}", errors.WrongCode): wrong_code_instead_of_a_password,
    (f"POST {KEY}/reveal", errors.WrongCode): wrong_code_instead_of_a_password,
    (f"POST {WEBHOOK}/reveal", errors.WrongCode): wrong_code_instead_of_a_password,
    (f"POST {FACTORS}", errors.WrongPassword): wrong_own_password,
    (f"POST {FACTORS}/verify", errors.UserSuspended): suspended_with_factor,
    **{
        (row, errors.TooManyAttempts): too_many_codes
        for row in (
            "POST /v1/users/verify-challenge",
            f"POST {FACTORS}",
            f"POST {FACTORS}/verify",
            f"DELETE {FACTOR}",
            f"POST {USER}/recovery-codes",
        )
    },
    (f"DELETE {USER}", errors.LastOwner): last_owner_in_a_race,
    (f"POST {USER}/suspend", errors.LastOwner): last_owner_in_a_race,
}
# /health/ready answers in its own form; test_operations provokes it. test_bulk has atomic operations, test_exports and
# test_users have an export that is large enough to go on, test_imports many imports and a disk without room, test_bulk_job_parts many jobs, test_keys
# a user with many keys, test_groups many groups, test_webhooks one with many webhooks, test_webhook_deliveries one with many replays,
# test_history events that can't be put back, and a log that begins late, test_factor_duty a role that needs a second factor, test_events and test_event_positions a log with a retention, test_event_stream many who follow it, and test_requests
# ten who follow the request log.
ELSEWHERE = {
    *(
        (f"GET {path}", error)
        for path in ("/v1/events", "/v1/events/stream")
        for error in (errors.PositionExpired, errors.TooManyStreams)
    ),
    (f"GET {USER}", errors.NotInLog),
    *(
        ("POST /v1/events/{eventId}/revert", error)
        for error in (
            errors.NotReversible,
            errors.EmailTaken,
            errors.ExternalIdTaken,
            errors.LastOwner,
            errors.NotYourself,
            errors.GroupLimitReached,
            errors.PreconditionFailed,
        )
    ),
    ("GET /v1/requests", errors.TooManyStreams),
    ("GET /health/ready", errors.Unavailable),
    ("POST /v1/users/bulk", errors.BulkRefused),
    ("GET /v1/exports", errors.ExportRunning),
    (f"GET {USER}/export", errors.ExportRunning),
    *((row, errors.BulkJobLimitReached) for row in ("POST /v1/bulk-jobs", f"POST {JOB}/undo")),
    *((f"POST {IMPORT}/{verb}", errors.BulkJobLimitReached) for verb in ("undo", "suspend")),
    ("POST /v1/rules", errors.RuleLimitReached),
    *((row, errors.NewPasswordRequired) for row in ("POST /v1/users/verify-password", "POST /v1/sessions")),
    ("POST /v1/imports", errors.ImportLimitReached),
    (f"POST {IMPORT}/run", errors.ImportLimitReached),
    ("POST /v1/imports", errors.StorageUnavailable),
    *((row, errors.GroupLimitReached) for row in ("POST /v1/groups", f"POST {MEMBERS}", f"PUT {MEMBER}")),
    ("POST /v1/keys", errors.KeyLimitReached),
    (f"DELETE {FACTOR}", errors.LastFactor),
    (f"POST {KEY}/rotate", errors.KeyLimitReached),
    ("POST /v1/webhooks", errors.WebhookLimitReached),
    (f"PATCH {WEBHOOK}", errors.WebhookLimitReached),
    (f"POST {DELIVERY}/resend", errors.ReplayLimitReached),
    (f"POST {WEBHOOK}/replays", errors.ReplayLimitReached),
    (f"POST {WEBHOOK}/replays", errors.PositionExpired),
    (f"PATCH {WEBHOOK}", errors.PositionExpired),
}
CASES = [(route, error) for route in ROUTES for error in route.errors if (name(route), error) not in ELSEWHERE]


@once
def test_every_error_of_every_row_has_a_case() -> None:
    rows = {name(route) for route in ROUTES}
    for route, error in CASES:
        assert (name(route), error) in OTHERWISE or error in PROVOKED, (
            f"say how to provoke {error.code} of {name(route)}"
        )
    assert set(OTHERWISE) <= {(name(route), error) for route, error in CASES}, (
        "a case for an error that the row does not list"
    )
    assert set(PROVOKED) <= {error for _, error in CASES}, "a case that no row lists"
    assert {row for row, _ in ELSEWHERE} <= rows


def each_case(of_overloaded: bool) -> pytest.MarkDecorator:
    cases = [(route, error) for route, error in CASES if (error is errors.Overloaded) == of_overloaded]
    return pytest.mark.parametrize(
        ("route", "error"), cases, ids=[f"{name(route)} {error.code}" for route, error in cases]
    )


@once  # no database has a part in the queue of passwords
@each_case(of_overloaded=True)
def test_a_row_that_computes_a_hash_says_that_too_many_wait(world: World, route: Route, error: type[ApiError]) -> None:
    refused(PROVOKED[error](world, route), error)


@each_case(of_overloaded=False)
def test_each_error_of_a_row_is_answered_as_the_table_says(world: World, route: Route, error: type[ApiError]) -> None:
    answer = (OTHERWISE.get((name(route), error)) or PROVOKED[error])(world, route)
    content = refused(answer, error)
    if error in (errors.EmailTaken, errors.ExternalIdTaken):
        assert content["param"] == ("email" if error is errors.EmailTaken else "external_id")
    if error is errors.EmailTaken:
        assert content["error"] == "Email address is already in use."


@once
@grid("route", [route for route in ROUTES if "{" in route.path], ids=name)
def test_a_malformed_id_is_404_like_an_unknown_one(world: World, route: Route) -> None:
    with world.log.silent():
        for item in ("1", "user_", "user_abc123", "USER_06H102RKB9PIL1094RGI2I5EC4", "'%20OR%201=1--", "a" * 300):
            path = re.sub(r"\{[^}]*\}", item, route.path)
            refused(world.ask(route, Ask(path, BODIES.get(name(route)))), errors.NotFound)


# ---- errors, as a family


@once
def test_codes_are_never_shared_by_two_errors() -> None:
    codes = [error.code for error in errors.tree()]
    assert len(codes) == len(set(codes))


@once
def test_the_doc_url_of_an_answer_leads_there(world: World, anonymous: httpx2.Client) -> None:
    content = world.http.get("/v1/users", params={"limit": "many"}).json()
    assert content["doc_url"] == f"{world.server.url}/docs/errors/invalid_parameter"
    assert anonymous.get(content["doc_url"]).status_code == 200


@once
def test_no_two_answers_have_the_same_request_id(world: World) -> None:
    found = [world.http.get(path).headers["x-request-id"] for path in ("/v1/users", "/v1/nowhere", "/health/live") * 20]
    assert len(set(found)) == len(found)


@once
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/users?limit=0", None, 400),
        ("POST", "/v1/users", {"name": "", "email": "x", "extra": 1}, 400),
        ("GET", "/v1/users/nobody", None, 404),
        ("PUT", "/v1/users", None, 405),
        ("POST", "/v1/users/verify-password", {"email": "nobody@example.com", "password": "x"}, 401),
        ("DELETE", "/v1/users/me", None, 403),
    ],
)
def test_a_problem_document_tells_the_same(
    world: World, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    plain = world.http.request(method, path, json=body)
    answer = world.http.request(method, path, json=body, headers={"Accept": "application/problem+json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    content = answer.json()
    told_whole(answer, content)
    assert (
        content["status"] == status
        and content["title"]
        and content["detail"] == content["error"]
        and content["type"] == content["doc_url"]
    )
    assert content["instance"].endswith(content["request_id"])
    own = ("type", "title", "status", "detail", "instance")
    assert {name: value for name, value in content.items() if name not in own} == plain.json() | {
        "request_id": content["request_id"]
    }
    assert plain.headers["content-type"] == "application/json"
