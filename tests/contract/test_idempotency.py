"""`Idempotency-Key`: a POST sent again is answered again, not done again; across restarts, workers and twins that
race."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook.api.routes import ROUTES
from tests.contract.expect import refused
from tests.contract.paths import JOB, RULE, RULE_PATH
from tests.engines import once as once_engine
from tests.factors import App
from tests.harness import OWNER_PASSWORD, Server, new_key, new_update, new_user, running
from tests.nodes.pair import wait_until

HOUR = 3600
WEBHOOK = "/v1/webhooks/{webhookId}"
FACTOR = "/v1/users/{userId}/second-factors/{factorId}"
CANCEL = "/v1/imports/{importId}/cancel"
RUN = "/v1/imports/{importId}/run"
UNDO = "/v1/imports/{importId}/undo"
SUSPEND = "/v1/imports/{importId}/suspend"
SLOW = {"ROLLBOOK_PASSWORD_MEMORY": "19456", "ROLLBOOK_PASSWORD_TIME_COST": "8"}


@pytest.fixture(scope="module")
def later(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose clock these tests may move."""
    with running(tmp_path_factory.mktemp("later") / "data", "--rate-limit", "none") as server:
        yield server


def once(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def person(email: str, **fields: Any) -> dict[str, Any]:
    return {"name": "Charlie Chaplin", "email": email, "password": "securepassword123", **fields}


def said(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """The answer without what belongs to the request that brought it."""
    of_request = {"date", "x-request-id", "idempotency-replayed"}
    return (
        answer.status_code,
        answer.content,
        {k: v for k, v in answer.headers.items() if k not in of_request and "ratelimit" not in k},
    )


def replayed(answer: httpx2.Response) -> bool:
    assert answer.headers.get("idempotency-replayed") in (None, "true")
    return "idempotency-replayed" in answer.headers


class Post(NamedTuple):
    """A call, and how to see how often it was done."""

    path: str
    body: dict[str, Any] | None
    status: int
    seen: str  # type of the event it writes, or list that it adds to, once


def posts(http: httpx2.Client, path: str) -> dict[str, Post]:
    user, deleted, suspended = new_user(http), new_user(http), new_user(http)
    http.delete(f"/v1/users/{deleted['id']}")
    http.post(f"/v1/users/{suspended['id']}/suspend")
    factor = http.post(f"/v1/users/{user['id']}/second-factors", json={"kind": "totp"}).json()
    key = http.post("/v1/keys", json={"name": "mine"}).json()["id"]
    group = http.post("/v1/groups", json={"name": "Engineering"}).json()["id"]
    return {
        "/v1/users": Post("/v1/users", person(f"every{time.perf_counter_ns()}@example.com"), 201, "user.created"),
        "/v1/users/bulk": Post(
            "/v1/users/bulk",
            {"operations": [person(f"bulk{time.perf_counter_ns()}@example.com", op="create")]},
            207,
            "user.created",
        ),
        "/v1/users/{userId}/tokens": Post(
            f"/v1/users/{user['id']}/tokens", {"purpose": "verify_email"}, 201, "token.created"
        ),
        FACTOR + "/activate": Post(
            f"/v1/users/{user['id']}/second-factors/{factor['id']}/activate",
            {"code": App(factor["secret"]).code()},
            200,
            "second_factor.activated",
        ),
        "/v1/applications": Post("/v1/applications", {"name": "Shop"}, 201, "user.created"),
        "/v1/users/{userId}/suspend": Post(f"/v1/users/{user['id']}/suspend", None, 200, "user.suspended"),
        "/v1/users/{userId}/adopt": Post(f"/v1/users/{user['id']}/adopt", None, 200, "user.access_ended"),
        "/v1/users/{userId}/activate": Post(f"/v1/users/{suspended['id']}/activate", None, 200, "user.activated"),
        "/v1/users/{userId}/restore": Post(f"/v1/users/{deleted['id']}/restore", None, 200, "user.restored"),
        "/v1/events/{eventId}/revert": Post(f"/v1/events/{new_update(http)}/revert", None, 200, "user.updated"),
        "/v1/groups": Post("/v1/groups", {"name": "Engineering"}, 201, "group.created"),
        "/v1/groups/{groupId}/members": Post(
            f"/v1/groups/{group}/members", {"members": [{"user_id": user["id"]}]}, 200, "group.member_added"
        ),
        "/v1/bulk-jobs": Post("/v1/bulk-jobs", {"action": "suspend", "ids": [user["id"]]}, 201, "/v1/bulk-jobs"),
        "/v1/rules": Post("/v1/rules", RULE, 201, "rule.created"),
        JOB + "/undo": Post(f"/v1/bulk-jobs/{ended_job(http)}/undo", None, 201, "/v1/bulk-jobs"),
        "/v1/keys": Post("/v1/keys", {"name": "made once"}, 201, "key.created"),
        "/v1/keys/{keyId}/rotate": Post(f"/v1/keys/{key}/rotate", {"overlap": 60}, 201, "key.rotated"),
        "/v1/webhooks": Post("/v1/webhooks", {"url": "inbox"}, 201, "webhook.created"),
        **(posts_of_webhooks(http) if path.startswith(WEBHOOK) else {}),
        **(
            {CANCEL: Post(f"/v1/imports/{long_import(http)}/cancel", None, 200, "import.finished")}
            if path == CANCEL
            else {}
        ),
        **({UNDO: Post(f"/v1/imports/{ended_import(http)}/undo", None, 201, "/v1/bulk-jobs")} if path == UNDO else {}),
        **(
            {SUSPEND: Post(f"/v1/imports/{absence(http)}/suspend", {"confirm_count": 1}, 201, "/v1/bulk-jobs")}
            if path == SUSPEND
            else {}
        ),
        **({RUN: Post(f"/v1/imports/{dry_run_of(http)}/run", None, 201, "/v1/imports")} if path == RUN else {}),
    }


def posts_of_webhooks(http: httpx2.Client) -> dict[str, Post]:
    """Those about a webhook. A user can only have 50."""
    webhook, paused = (
        f"/v1/webhooks/{http.post('/v1/webhooks', json={'url': 'inbox', 'types': ['webhook.created'], 'status': status}).json()['id']}"
        for status in ("enabled", "paused")
    )
    wait_until(lambda: http.get(f"{webhook}/deliveries").json())
    delivery = http.get(f"{webhook}/deliveries").json()[-1]["id"]
    since = {"from": http.get("/v1/events?limit=1&order=desc").json()[0]["id"]}
    return {
        WEBHOOK + "/rotate-secret": Post(f"{webhook}/rotate-secret", None, 200, "webhook.rotated"),
        WEBHOOK + "/test": Post(f"{webhook}/test", None, 200, f"{webhook}/deliveries?trigger=test"),
        WEBHOOK + "/deliveries/{deliveryId}/resend": Post(
            f"{webhook}/deliveries/{delivery}/resend", None, 201, f"{webhook}/replays"
        ),
        WEBHOOK + "/replays": Post(f"{paused}/replays", since, 201, f"{paused}/replays"),
    }


def ended_job(http: httpx2.Client) -> str:
    id = http.post("/v1/bulk-jobs", json={"action": "suspend", "filter": {"email": "nobody@example.com"}}).json()["id"]
    wait_until(lambda: http.get(f"/v1/bulk-jobs/{id}").json()["finished_at"])
    return id


def dry_run_of(http: httpx2.Client) -> str:
    """A dry run that has ended."""
    return ended_import(http, dry_run="true")


def ended_import(http: httpx2.Client, **options: str) -> str:
    content = f'{{"name":"Nobody","email":"nobody{time.perf_counter_ns()}@example.com"}}'
    id = http.post("/v1/imports", content=content, params=options).json()["id"]
    wait_until(lambda: http.get(f"/v1/imports/{id}").json()["finished_at"])
    return id


def absence(http: httpx2.Client) -> str:
    """An import that has found someone absent."""
    mark = f"m{time.perf_counter_ns()}"
    new_user(http, metadata={"mark": mark})
    return ended_import(http, absent="report", absent_metadata=f"mark:{mark}")


def long_import(http: httpx2.Client) -> str:
    """One that takes seconds."""
    lines = (f'{{"name":"A","email":"a{number}@example.com"}}\n' for number in range(100_000))
    answer = http.post("/v1/imports", content="".join(lines), params={"events": "summary"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


ELSEWHERE = {
    "/v1/sessions/refresh",
    "/v1/tokens/request",
    JOB + "/cancel",
    RULE_PATH + "/run",
}
"""test_app_sessions, test_requested_tokens, test_bulk_job_parts, test_rules: they write no event themselves, and add to no list."""


@pytest.mark.parametrize(
    "path",
    [
        route.path
        for route in ROUTES
        if route.method == "POST" and route.special.replays and route.path not in ELSEWHERE
    ],
)
@once_engine
def test_every_post_is_done_once_and_answered_twice(http: httpx2.Client, path: str) -> None:
    known = posts(http, path)
    assert path in known, f"Add a call of {path} to posts(), or say in ELSEWHERE which test repeats it"
    post = known[path]

    def count() -> int:
        seen = post.seen if post.seen.startswith("/") else f"/v1/events?type={post.seen}"
        return len(http.get(f"{seen}{'&' if '?' in seen else '?'}limit=1000").json())

    before = count()
    first = http.post(post.path, json=post.body, headers=once(f"every {path}"))
    assert (first.status_code, replayed(first)) == (post.status, False), first.text
    assert count() == before + 1
    for _ in range(2):
        again = http.post(post.path, json=post.body, headers=once(f"every {path}"))
        assert said(again) == said(first)
        assert replayed(again)
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert count() == before + 1


@once_engine
def test_only_calls_that_change_nothing_check_a_secret_or_take_a_file_are_not_replayed() -> None:
    assert {route.path for route in ROUTES if not route.special.replays} == {
        "/v1/imports",
        "/v1/rules/preview",
        RULE_PATH + "/preview",
        "/v1/users/verify-password",
        "/v1/users/verify-challenge",
        "/v1/users/{userId}/second-factors",
        "/v1/users/{userId}/second-factors/verify",
        "/v1/users/{userId}/recovery-codes",
        "/v1/tokens/consume",
        "/v1/sessions",
        "/v1/sessions/verify",
        "/v1/keys/{keyId}/reveal",
        "/v1/webhooks/{webhookId}/reveal",
    }


def test_a_password_is_verified_each_time_also_with_the_key_of_an_earlier_call(http: httpx2.Client, user: dict) -> None:
    def verify() -> httpx2.Response:
        body = {"email": user["email"], "password": user["password"]}
        return http.post("/v1/users/verify-password", json=body, headers=once(f"verify {user['id']}"))

    assert verify().status_code == 200
    http.post(f"/v1/users/{user['id']}/suspend")
    refused(verify(), 403, "user_suspended")
    http.post(f"/v1/users/{user['id']}/activate")
    http.put(f"/v1/users/{user['id']}/password", json={"password": "no longer the same"})
    refused(verify(), 401, "wrong_password")
    http.delete(f"/v1/users/{user['id']}?purge=true")
    refused(verify(), 401, "wrong_password")


def test_each_reveal_of_a_key_checks_the_password_and_is_an_event(http: httpx2.Client) -> None:
    key = http.post("/v1/keys", json={"name": "revealed"}).json()

    def reveal(password: str = OWNER_PASSWORD) -> httpx2.Response:
        return http.post(f"/v1/keys/{key['id']}/reveal", json={"password": password}, headers=once("reveal"))

    assert [reveal().json()["key"], reveal().json()["key"]] == [key["key"]] * 2
    refused(reveal("wrong"), 401, "wrong_password")
    events = http.get("/v1/events", params={"type": "key.revealed", "limit": 1000}).json()
    assert [event["object"]["id"] for event in events].count(key["id"]) == 2
    assert http.delete(f"/v1/keys/{key['id']}").status_code == 204
    refused(reveal(), 404, "not_found")


def test_without_the_header_a_post_is_done_each_time(http: httpx2.Client) -> None:
    one, other = (http.post("/v1/keys", json={"name": "twice"}) for _ in range(2))
    assert one.json()["id"] != other.json()["id"]
    assert not replayed(one) and not replayed(other)


def test_the_key_with_another_body_path_or_query_is_422_and_nothing_is_done(http: httpx2.Client, user: dict) -> None:
    first = http.post("/v1/users", json=person("reused@example.com"), headers=once("reused"))
    for path, body in (
        ("/v1/users", person("reused2@example.com")),
        ("/v1/users", person("reused@example.com", password="another password")),
        ("/v1/users?fields=*", person("reused@example.com")),
        ("/v1/keys", {"name": "x"}),
        (f"/v1/users/{user['id']}/suspend", None),
    ):
        refused(http.post(path, json=body, headers=once("reused")), 422, "idempotency_key_reused")
    assert http.get("/v1/users", params={"email": "reused2@example.com"}).json() == []
    assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active"
    assert said(http.post("/v1/users", json=person("reused@example.com"), headers=once("reused"))) == said(first)


def test_callers_do_not_share_keys(http: httpx2.Client, as_role, server: Server) -> None:
    body = {"name": "same"}
    first = http.post("/v1/keys", json=body, headers=once("shared"))
    other = as_role("member").post("/v1/keys", json=body, headers=once("shared"))
    assert other.status_code == 201 and not replayed(other)
    assert other.json()["user_id"] != first.json()["user_id"]
    with server.http(new_key(http)) as same_user:
        # An equal key, but what the first one created is not for it.
        refused(same_user.post("/v1/keys", json=body, headers=once("shared")), 422, "idempotency_key_reused")
    assert http.post("/v1/keys", json=body, headers=once("shared")).content == first.content


@once_engine
def test_quotes_around_the_key_make_no_difference_but_letters_do(http: httpx2.Client) -> None:
    first = http.post("/v1/keys", json={"name": "q"}, headers=once("quoted"))
    assert said(http.post("/v1/keys", json={"name": "q"}, headers=once('"quoted"'))) == said(first)
    assert not replayed(http.post("/v1/keys", json={"name": "q"}, headers=once("Quoted")))


@pytest.mark.parametrize("key", [b"", b'""', b"x" * 256, "schlüssel".encode(), b"tab\tkey"])
@once_engine
def test_a_key_that_is_none_is_400_and_nothing_is_done(http: httpx2.Client, key: bytes) -> None:
    answer = http.post("/v1/users", json=person("bad-key@example.com"), headers=[(b"Idempotency-Key", key)])
    refused(answer, 400, "invalid_parameter", param="Idempotency-Key")
    assert http.get("/v1/users", params={"email": "bad-key@example.com"}).json() == []


def test_the_longest_key_is_taken(http: httpx2.Client) -> None:
    first = http.post("/v1/keys", json={"name": "long"}, headers=once("x" * 255))
    assert said(http.post("/v1/keys", json={"name": "long"}, headers=once("x" * 255))) == said(first)


# ---- refusals


def test_a_refusal_of_what_was_asked_is_kept(http: httpx2.Client) -> None:
    taken = new_user(http, email="kept-refusal@example.com")
    body = person("kept-refusal@example.com")
    first = http.post("/v1/users", json=body, headers=once("refusal"))
    refused(first, 400, "email_taken")
    http.delete(f"/v1/users/{taken['id']}?purge=true")
    again = http.post("/v1/users", json=body, headers=once("refusal"))
    assert replayed(again) and said(again) == said(first)
    assert http.post("/v1/users", json=body, headers=once("another")).status_code == 201
    gone = http.post(f"/v1/users/{taken['id']}/restore", headers=once("not found"))
    assert gone.status_code == 404
    assert replayed(http.post(f"/v1/users/{taken['id']}/restore", headers=once("not found")))


def test_a_fault_of_form_is_not_kept_so_that_it_can_be_mended(http: httpx2.Client) -> None:
    refused(http.post("/v1/users", json={"name": "A"}, headers=once("form")), 400, "invalid_parameter")
    answer = http.post("/v1/users", json=person("form@example.com"), headers=once("form"))
    assert answer.status_code == 201 and not replayed(answer)


@once_engine
def test_a_full_queue_is_503_that_is_not_kept_and_the_same_key_succeeds_later(tmp_path: Path) -> None:
    flags = ("--rate-limit", "none", "--password-queue", "1", "--password-threads", "1")
    with running(tmp_path / "data", *flags, environment=SLOW) as server, server.http() as http:

        def create(number: int) -> httpx2.Response:
            return http.post("/v1/users", json=person(f"queue{number}@example.com"), headers=once(f"queue{number}"))

        answers: list[httpx2.Response] = []
        overloaded: list[int] = []
        with ThreadPoolExecutor(6) as pool:
            while not overloaded and len(answers) < 120:
                answers += pool.map(create, range(len(answers), len(answers) + 6))
                overloaded = [number for number, answer in enumerate(answers) if answer.status_code == 503]
        assert overloaded, "the queue was never full"
        for number in overloaded:
            refused(answers[number], 503, "overloaded")
            assert int(answers[number].headers["retry-after"]) >= 1
            again = create(number)
            assert again.status_code == 201 and not replayed(again)
        assert http.get("/v1/users/count").json() == {"count": 1 + len(answers)}


# ---- time, restarts, races


def test_answers_are_kept_for_24_hours_and_not_longer(later: Server) -> None:
    later.pass_time(0)
    with later.http() as http:
        first = http.post("/v1/keys", json={"name": "a day"}, headers=once("a day"))
        later.pass_time(24 * HOUR - 60)
        assert said(http.post("/v1/keys", json={"name": "a day"}, headers=once("a day"))) == said(first)
        later.pass_time(24 * HOUR + 60)
        fresh = http.post("/v1/keys", json={"name": "a day"}, headers=once("a day"))
        assert fresh.status_code == 201 and not replayed(fresh)
        assert fresh.json()["id"] != first.json()["id"]
        other = http.post("/v1/keys", json={"name": "another"}, headers=once("a day"))
        refused(other, 422, "idempotency_key_reused")
        later.pass_time(0)


def test_answers_outlive_a_restart_and_hold_no_password_and_no_key_in_the_clear(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        password = "tell-tale-idempotent-password"
        body = person("restart@example.com", password=password)

        def ask() -> list[httpx2.Response]:
            with server.http() as http:
                return [
                    http.post("/v1/users", json=body, headers=once("restart user")),
                    http.post("/v1/keys", json={"name": "k"}, headers=once("restart key")),
                ]

        first = ask()
        assert [answer.status_code for answer in first] == [201, 201]
        text = first[1].json()["key"]
        for _ in range(2):
            files = [path for path in server.data.rglob("*") if path.is_file()]
            assert files
            for path in files:
                content = path.read_bytes()
                for secret in (password, text, OWNER_PASSWORD, server.key):
                    assert secret.encode() not in content, path.name
            server.stop()
            server.start()
            again = ask()
            assert [said(answer) for answer in again] == [said(answer) for answer in first]
            assert all(replayed(answer) for answer in again)


@pytest.fixture(scope="module")
def slow(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, and hashes that take long enough for a second request to arrive meanwhile."""
    with running(
        tmp_path_factory.mktemp("slow") / "data", "--rate-limit", "none", "--workers", "2", environment=SLOW
    ) as server:
        yield server


def test_while_the_first_runs_the_second_is_409_and_afterwards_a_replay(slow: Server) -> None:
    def create(name: str) -> httpx2.Response:
        with slow.http() as http:  # a connection of its own, so that both workers get some
            return http.post("/v1/users", json=person(f"{name}@example.com"), headers=once(name))

    with ThreadPoolExecutor(1) as pool, slow.http() as http:
        for number in range(20):
            name = f"running{number}"
            first = pool.submit(create, name)
            answers = []
            while not first.done():
                answers.append(create(name))
            answers.append(first.result())
            early = [answer for answer in answers if answer.status_code == 409]
            if early:
                break
        assert early, "none ever came while another ran"
        for answer in early:
            refused(answer, 409, "idempotency_still_running")
            assert int(answer.headers["retry-after"]) >= 1
        made = [answer for answer in answers if answer.status_code == 201]
        assert len({answer.json()["id"] for answer in made}) == 1
        again = create(name)
        assert replayed(again) and again.json() == made[0].json()
        assert len(http.get("/v1/users", params={"email": f"{name}@example.com"}).json()) == 1


def test_twins_that_race_over_two_workers_make_one_user(slow: Server) -> None:
    def create(number: int) -> httpx2.Response:
        with slow.http() as http:
            return http.post(
                "/v1/users", json=person(f"twin{number % 3}@example.com"), headers=once(f"twin{number % 3}")
            )

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(create, range(24)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    for twin in range(3):
        mine = answers[twin::3]
        created = [answer for answer in mine if answer.status_code == 201]
        assert sum(not replayed(answer) for answer in created) == 1
        assert len({answer.content for answer in created}) == 1
    with slow.http() as http:
        assert sorted(user["email"] for user in http.get("/v1/users?q=twin").json()) == [
            f"twin{twin}@example.com" for twin in range(3)
        ]
        created_events = http.get("/v1/events?type=user.created&limit=1000").text
        assert all(len(re.findall(rf'"email":"twin{twin}@', created_events)) == 1 for twin in range(3))


def test_who_hangs_up_and_sends_again_gets_the_answer_of_the_first(slow: Server) -> None:
    with slow.http() as http:
        for number in range(50):
            body, header = person(f"hang-up{number}@example.com"), once(f"hang-up{number}")
            try:
                http.post("/v1/users", json=body, headers=header, timeout=httpx2.Timeout(30, read=0.02))
            except httpx2.ReadTimeout:
                break  # and not so late ourselves that the answer was there
        else:
            pytest.fail("the answers all came at once")
        deadline = time.monotonic() + 60
        while True:
            answer = http.post("/v1/users", json=body, headers=header)
            if answer.status_code != 409:
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answer.status_code == 201, answer.text
        assert len(http.get("/v1/users", params={"email": body["email"]}).json()) == 1
