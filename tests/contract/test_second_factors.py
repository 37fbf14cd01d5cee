"""Second factors of people: authenticator apps and recovery codes, for applications by API."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from rollbook import errors, ids
from tests.callers import Connection, close, together
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.factors import PERIOD, App, enrolled
from tests.harness import Server, new_key, new_user, running

FACTORS = "/v1/users/{}/second-factors"


@pytest.fixture(scope="module")
def wide(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers."""
    folder = tmp_path_factory.mktemp("wide") / "data"
    with running(folder, "--workers", "2", "--rate-limit", "none", "--attempts-limit", "none") as server:
        yield server


def password_of(user: dict[str, Any]) -> dict[str, str]:
    return {"email": user["email"], "password": user["password"]}


def challenged(http: httpx2.Client, user: dict[str, Any], **more: str) -> str:
    """The challenge of somebody who has given the right password."""
    answer = http.post("/v1/users/verify-password", json=password_of(user) | more)
    return refused(answer, errors.SecondFactorRequired)["challenge"]


def answered(http: httpx2.Client, challenge: str, code: str, **more: str) -> httpx2.Response:
    return http.post("/v1/users/verify-challenge", json={"challenge": challenge, "code": code, **more})


def own(server: Server, http: httpx2.Client, user: dict[str, Any], **fields: Any) -> httpx2.Client:
    """The user's own API key."""
    return server.http(new_key(http, user_id=user["id"], **fields))


def noted(http: httpx2.Client, user_id: str, type: str) -> list[dict[str, Any]]:
    """Events of this kind about a user, which the server notes within a second or so."""
    deadline = time.monotonic() + 60
    while not (found := http.get("/v1/events", params={"user": user_id, "type": type}).json()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


# ---- setting one up


def test_an_app_is_set_up_with_its_first_code_and_then_asked_for(http: httpx2.Client, user: dict) -> None:
    log = Log(http)
    made = http.post(FACTORS.format(user["id"]), json={"kind": "totp", "name": "Phone", "issuer": "Acme: shop"}).json()
    assert (made["kind"], made["name"], made["confirmed_at"]) == ("totp", "Phone", None)
    url = urlsplit(made["otpauth_url"])
    asked = parse_qs(url.query)
    assert (url.scheme, url.netloc, asked["secret"], asked["issuer"]) == (
        "otpauth",
        "totp",
        [made["secret"]],
        ["Acme  shop"],
    )
    assert len(made["secret"]) == 32, "160 bits"
    # Not before it is active.
    assert http.post("/v1/users/verify-password", json=password_of(user)).status_code == 200
    app, path = App(made["secret"]), f"{FACTORS.format(user['id'])}/{made['id']}"
    refused(http.post(path + "/activate", json={"code": app.wrong()}), errors.WrongCode)
    log.news()
    active = http.post(path + "/activate", json={"code": app.code()}).json()
    codes = active.pop("recovery_codes")
    assert len(set(codes)) == 10 and all(len(code.replace("-", "")) == 24 for code in codes)
    assert "secret" not in active and active["confirmed_at"] is not None
    (event,) = log.news()
    assert (event["type"], event["object"]) == ("second_factor.activated", active)
    challenged(http, user)
    listed = http.get(FACTORS.format(user["id"])).json()
    assert listed == {"second_factors": [active], "recovery_codes_left": 10}
    assert http.get(path).json() == active
    refused(http.post(path + "/activate", json={"code": app.code()}), errors.NotFound)


def test_secrets_are_in_no_event_export_or_log_and_sealed_in_the_database(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    app = enrolled(http, user["id"])
    challenge = challenged(http, user)
    code = app.code()
    assert answered(http, challenge, code).status_code == 200
    seen = [
        http.get("/v1/events", params={"user": user["id"]}).text,
        http.get(f"/v1/users/{user['id']}/export").text,
        http.get(FACTORS.format(user["id"])).text,
        server.log.read_text(),
        str(server.ask("SELECT * FROM request_log")),
    ]
    (kept,) = server.ask(f"SELECT secret FROM second_factors WHERE user_id = '{user['id']}'")
    digests = server.ask(f"SELECT digest FROM recovery_codes WHERE user_id = '{user['id']}'")
    seen += [str(bytes(kept[0])), str(digests)]
    for secret in (app.secret, challenge, *app.recovery_codes):
        assert not any(secret in each for each in seen), secret
    exported = http.get(f"/v1/users/{user['id']}/export").json()["second_factors"]
    assert [each["id"] for each in exported] == [app.factor_id]


def test_a_second_app_brings_no_new_recovery_codes_and_one_not_activated_is_replaced(
    http: httpx2.Client, user: dict
) -> None:
    first = enrolled(http, user["id"])
    path = FACTORS.format(user["id"])
    left = http.post(path, json={"kind": "totp"}).json()["id"]
    second = enrolled(http, user["id"])
    assert first.recovery_codes and not second.recovery_codes
    assert [each["id"] for each in http.get(path).json()["second_factors"]] == [first.factor_id, second.factor_id]
    assert http.get(f"{path}/{left}").status_code == 404
    assert answered(http, challenged(http, user), second.code()).status_code == 200


def test_a_user_has_at_most_twenty(http: httpx2.Client, user: dict) -> None:
    for _ in range(20):
        enrolled(http, user["id"])
    refused(http.post(FACTORS.format(user["id"]), json={"kind": "totp"}), errors.FactorLimitReached)


# ---- signing in with one


def test_the_right_password_is_a_challenge_and_the_code_signs_in(http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    log = Log(http)
    answer = http.post("/v1/users/verify-password", json=password_of(user))
    content = refused(answer, errors.SecondFactorRequired)
    assert len(content["challenge"]) >= 43 and "id" not in content and "name" not in content
    assert log.news() == [], "nobody has signed in yet"
    problem = http.post(
        "/v1/users/verify-password", json=password_of(user), headers={"Accept": "application/problem+json"}
    ).json()
    assert (problem["code"], problem["status"]) == ("second_factor_required", 401)
    assert len(problem["challenge"]) >= 43, "an extension member (RFC 9457)"
    # A wrong code leaves the challenge open; the right one ends it.
    refused(answered(http, content["challenge"], app.wrong()), errors.WrongCode)
    code = app.code()
    found = answered(http, content["challenge"], f"{code[:3]} {code[3:]}", address="203.0.113.7")
    assert (found.status_code, found.json()["id"]) == (200, user["id"])
    (event,) = log.news()
    assert (event["type"], event["actor"]["address"]) == ("user.signed_in", "203.0.113.7")
    refused(answered(http, content["challenge"], app.recovery_codes[0]), errors.InvalidChallenge)
    assert noted(http, user["id"], "user.sign_in_failed")


def test_a_recovery_code_works_once_however_it_is_typed(http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    log = Log(http)
    typed = app.recovery_codes[0].upper().replace("-", " ").replace("0", "O").replace("1", "I")
    assert answered(http, challenged(http, user), typed).status_code == 200
    used, signed_in = log.news()
    assert (used["type"], used["object"]) == (
        "second_factor.used_recovery_code",
        {"user_id": user["id"], "recovery_codes_left": 9},
    )
    assert signed_in["type"] == "user.signed_in"
    refused(answered(http, challenged(http, user), typed), errors.WrongCode)
    assert http.get(FACTORS.format(user["id"])).json()["recovery_codes_left"] == 9


def test_another_users_codes_open_nothing(http: httpx2.Client, user: dict) -> None:
    other = new_user(http)
    enrolled(http, user["id"])
    theirs = enrolled(http, other["id"])
    for code in (theirs.code(), theirs.recovery_codes[0]):
        refused(answered(http, challenged(http, user), code), errors.WrongCode)


def test_codes_of_the_step_before_and_after_are_accepted_and_no_others(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--attempts-limit", "none") as server, server.http() as http:
        # In the middle of a step, so that it stays the same one.
        ahead = PERIOD * 1.5 - time.time() % PERIOD
        server.pass_time(ahead)
        for step, accepted in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
            path = FACTORS.format(new_user(http)["id"])
            made = http.post(path, json={"kind": "totp"}).json()
            app = App(made["secret"], made["id"])
            app.ahead = ahead
            answer = http.post(f"{path}/{made['id']}/activate", json={"code": app.at(step)})
            assert answer.status_code == (200 if accepted else 401), step


def test_a_code_works_once_though_fifty_send_it_at_the_same_moment(wide: Server) -> None:
    with wide.http() as http:
        user = new_user(http)
        app = enrolled(http, user["id"])
        older = app.at()
        for code in (app.code(), app.recovery_codes[0]):
            challenges = [challenged(http, user) for _ in range(10)]
            connections = [Connection(wide) for _ in range(50)]
            answers = together(
                *(
                    lambda connection=connection, answer={"challenge": challenges[number % 10], "code": code}: (
                        connection.call("POST", "/v1/users/verify-challenge", answer)
                    )
                    for number, connection in enumerate(connections)
                )
            )
            close(connections)
            assert Counter(answer.status for answer in answers)[200] == 1, Counter(answer.body for answer in answers)
            assert {answer.status for answer in answers} <= {200, 400, 401}
        # Nor does an older one after a newer one.
        refused(http.post(f"{FACTORS.format(user['id'])}/verify", json={"code": older}), errors.WrongCode)


def test_a_challenge_works_once_though_it_is_answered_with_ten_codes_at_the_same_moment(wide: Server) -> None:
    with wide.http() as http:
        user = new_user(http)
        app = enrolled(http, user["id"])
        challenge = challenged(http, user)
        connections = [Connection(wide) for _ in range(10)]
        answers = together(
            *(
                lambda connection=connection, code=code: connection.call(
                    "POST", "/v1/users/verify-challenge", {"challenge": challenge, "code": code}
                )
                for connection, code in zip(connections, app.recovery_codes, strict=True)
            )
        )
        close(connections)
        assert Counter(answer.status for answer in answers) == {200: 1, 400: 9}
        # Who came too late has lost no code.
        assert http.get(FACTORS.format(user["id"])).json()["recovery_codes_left"] == 9


def test_a_challenge_expires_after_five_minutes(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        user = new_user(http)
        app = enrolled(http, user["id"])
        early, late = challenged(http, user), challenged(http, user)
        server.pass_time(4.9 * 60)
        assert answered(http, early, app.recovery_codes[0]).status_code == 200
        server.pass_time(5.1 * 60)
        refused(answered(http, late, app.recovery_codes[1]), errors.InvalidChallenge)
        # A factor that nobody activates is forgotten, and so are challenges.
        http.post(FACTORS.format(user["id"]), json={"kind": "totp"})
        server.pass_time(2 * 3600)
        server.stop()
        server.start()  # which it does first, and every minute
        deadline = time.monotonic() + 90
        while server.ask("SELECT 1 FROM challenges") or len(server.ask("SELECT 1 FROM second_factors")) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.mark.parametrize("way", ["password", "suspend", "delete", "promote", "lift", "remove"])
def test_what_the_challenge_stood_for_is_over(http: httpx2.Client, user: dict, way: str) -> None:
    app = enrolled(http, user["id"])
    challenge, path = challenged(http, user), f"/v1/users/{user['id']}"
    done = {
        "password": lambda: http.put(path + "/password", json={"password": "another long password"}),
        "suspend": lambda: http.post(path + "/suspend"),
        "delete": lambda: http.delete(path),
        "promote": lambda: http.patch(path, json={"role": "viewer"}),
        "lift": lambda: http.delete(path + "/second-factors"),
        "remove": lambda: http.delete(f"{path}/second-factors/{app.factor_id}"),
    }[way]()
    assert done.status_code in (200, 204), done.text
    refused(answered(http, challenge, app.recovery_codes[0]), errors.InvalidChallenge)


def test_a_suspended_user_with_the_right_password_hears_so_and_gets_no_challenge(
    http: httpx2.Client, user: dict
) -> None:
    enrolled(http, user["id"])
    http.post(f"/v1/users/{user['id']}/suspend")
    refused(http.post("/v1/users/verify-password", json=password_of(user)), errors.UserSuspended)


def test_a_wrong_password_tells_nothing_of_a_factor(http: httpx2.Client, user: dict) -> None:
    other = new_user(http)
    enrolled(http, user["id"])
    bodies = []
    for each in (user, other):
        answer = http.post("/v1/users/verify-password", json={"email": each["email"], "password": "wrong one"})
        content = refused(answer, errors.WrongPassword)
        bodies.append({name: value for name, value in content.items() if name != "request_id"})
    assert bodies[0] == bodies[1]


# ---- limits


def test_wrong_codes_are_limited_as_wrong_passwords_are_and_together_with_them(http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    challenge = challenged(http, user, address="203.0.113.7")
    for number in range(10):
        if number % 2:
            refused(answered(http, challenge, app.wrong(), address="203.0.113.7"), errors.WrongCode)
        else:
            wrong = {"email": user["email"], "password": "wrong one", "address": "203.0.113.7"}
            refused(http.post("/v1/users/verify-password", json=wrong), errors.WrongPassword)
    answer = answered(http, challenge, app.code(), address="203.0.113.7")
    refused(answer, errors.TooManyAttempts)
    assert int(answer.headers["retry-after"]) > 0
    assert noted(http, user["id"], "user.locked_out")
    # From elsewhere, they can still sign in.
    assert answered(http, challenge, app.recovery_codes[0], address="198.51.100.7").status_code == 200


def test_right_codes_are_not_counted(http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    path = f"{FACTORS.format(user['id'])}/verify"
    for round in range(2):
        for code in app.recovery_codes[round * 5 : round * 5 + 5]:
            assert http.post(path, json={"code": code, "address": "203.0.113.8"}).status_code == 200
        for _ in range(4):
            refused(http.post(path, json={"code": app.wrong(), "address": "203.0.113.8"}), errors.WrongCode)


# ---- verifying, changing and removing one


def test_an_application_verifies_a_code_before_something_sensitive(http: httpx2.Client, user: dict) -> None:
    path = f"{FACTORS.format(user['id'])}/verify"
    refused(http.post(path, json={"code": "123456"}), errors.WrongCode)
    app = enrolled(http, user["id"])
    code = app.code()
    assert http.post(path, json={"code": code}).json() == {"factor_id": app.factor_id, "recovery_codes_left": 10}
    refused(http.post(path, json={"code": code}), errors.WrongCode)
    verified = http.post(path, json={"code": app.recovery_codes[3]}).json()
    assert verified == {"factor_id": None, "recovery_codes_left": 9}


def test_new_recovery_codes_end_the_old_ones(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}/recovery-codes"
    refused(http.post(path, json={}), errors.BadRequest)
    app = enrolled(http, user["id"])
    log = Log(http)
    codes = http.post(path).json()["recovery_codes"]
    (event,) = log.news()
    assert (event["type"], event["object"]["recovery_codes_left"]) == ("second_factor.codes_regenerated", 10)
    refused(answered(http, challenged(http, user), app.recovery_codes[0]), errors.WrongCode)
    assert answered(http, challenged(http, user), codes[0]).status_code == 200


def test_with_the_last_factor_the_codes_end_and_the_password_signs_in_again(http: httpx2.Client, user: dict) -> None:
    one, two = enrolled(http, user["id"]), enrolled(http, user["id"])
    log, path = Log(http), FACTORS.format(user["id"])
    assert http.delete(f"{path}/{one.factor_id}").status_code == 204
    challenged(http, user)
    assert http.get(path).json()["recovery_codes_left"] == 10
    assert http.delete(f"{path}/{two.factor_id}").status_code == 204
    assert [event["type"] for event in log.news()] == ["second_factor.removed"] * 2
    assert http.get(path).json() == {"second_factors": [], "recovery_codes_left": 0}
    assert http.post("/v1/users/verify-password", json=password_of(user)).status_code == 200
    assert http.delete(f"{path}/{two.factor_id}").status_code == 404


def test_whoever_may_act_with_their_role_lifts_all_of_them(server: Server, http: httpx2.Client, user: dict) -> None:
    enrolled(http, user["id"])
    admin = new_user(http, role="admin")
    enrolled(http, admin["id"])
    with own(server, http, admin, scopes=["users:write"]) as writer:
        log = Log(http)
        assert writer.delete(FACTORS.format(user["id"])).status_code == 204
        (event,) = log.news()
        assert (event["type"], event["actor"]["user_id"]) == ("second_factor.lifted", admin["id"])
        assert writer.delete(FACTORS.format(user["id"])).status_code == 204
        assert log.news() == [], "there was nothing left"
        assert http.post("/v1/users/verify-password", json=password_of(user)).status_code == 200
        other = new_user(http, role="viewer")
        app = enrolled(http, other["id"])
        path = FACTORS.format(other["id"])
        for answer in (
            writer.delete(path),
            writer.delete(f"{path}/{app.factor_id}"),
            writer.post(path, json={"kind": "totp"}),
            writer.post(f"/v1/users/{other['id']}/recovery-codes"),
        ):
            refused(answer, errors.InsufficientScope)
        refused(writer.delete(FACTORS.format("me")), errors.NotYourself)


def test_an_api_key_alone_changes_nothing_of_its_own_users_factors(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with own(server, http, user) as me:
        path = FACTORS.format("me")
        refused(me.post(path, json={"kind": "totp"}), errors.InvalidParameter)
        wrong = {"kind": "totp", "current_password": "wrong one"}
        refused(me.post(path, json=wrong), errors.WrongPassword)
        app = enrolled(me, "me", current_password=user["password"])
        one = f"{path}/{app.factor_id}"
        for answer in (
            me.post(path, json={"kind": "totp", "current_password": user["password"]}),
            me.delete(one),
            me.post("/v1/users/me/recovery-codes"),
        ):
            assert refused(answer, errors.InvalidParameter)["param"] == "code"
        refused(me.delete(one, params={"code": app.wrong()}), errors.WrongCode)
        code = app.recovery_codes[0]
        assert me.post("/v1/users/me/recovery-codes", json={"code": code}).status_code == 200
        code = app.code()
        assert me.delete(one, params={"code": code}).status_code == 204
        assert me.get(path).json() == {"second_factors": [], "recovery_codes_left": 0}
    assert noted(http, user["id"], "user.confirmation_failed")


def test_others_factors_are_none_of_a_members_business(server: Server, http: httpx2.Client, user: dict) -> None:
    other = new_user(http)
    app = enrolled(http, other["id"])
    with own(server, http, user) as me:
        for method, path in (
            ("GET", FACTORS.format(other["id"])),
            ("GET", f"{FACTORS.format(other['id'])}/{app.factor_id}"),
            ("DELETE", f"{FACTORS.format(other['id'])}/{app.factor_id}"),
        ):
            refused(me.request(method, path), errors.InsufficientScope)
        # Nor are they found under one's own name.
        assert me.get(f"{FACTORS.format('me')}/{app.factor_id}").status_code == 404


# ---- the end of a user


def test_a_restored_user_has_their_factors_and_an_erased_one_leaves_nothing(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    app, path = enrolled(http, user["id"]), f"/v1/users/{user['id']}"
    assert http.delete(path).status_code == 204
    assert http.post(path + "/restore").status_code == 200
    assert answered(http, challenged(http, user), app.recovery_codes[0]).status_code == 200
    challenged(http, user)
    assert http.delete(path, params={"purge": "true"}).status_code == 204
    for table in ("second_factors", "recovery_codes", "challenges"):
        assert server.ask(f"SELECT 1 FROM {table} WHERE user_id = '{user['id']}'") == [], table


@once
def test_a_users_challenges_are_bounded(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    first = challenged(http, user)
    for _ in range(20):
        challenged(http, user)
    assert len(server.ask(f"SELECT 1 FROM challenges WHERE user_id = '{user['id']}'")) == 20
    refused(answered(http, first, app.code()), errors.InvalidChallenge)


# ---- from other systems


def imported(http: httpx2.Client, *users: dict[str, Any], **options: str) -> tuple[dict[str, Any], str]:
    """An import when it has ended, and its report."""
    content = "".join(json.dumps(each) + "\n" for each in users)
    job = http.post("/v1/imports", params=options, content=content.encode()).json()
    deadline = time.monotonic() + 60
    while (found := http.get(f"/v1/imports/{job['id']}").json())["status"] not in ("finished", "failed"):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found, http.get(found["report_url"]).text


def test_imported_apps_go_on_and_their_secrets_are_told_to_no_one(server: Server, http: httpx2.Client) -> None:
    app = App("MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK")
    person = {"name": "Ida", "email": f"{ids.new('n')}@example.com", "password": "a lobster in the library"}
    url = f"otpauth://totp/Acme:ida?secret={app.secret}&algorithm=SHA1&digits=6&period=30&issuer=Acme"
    bad = [{**person, "email": f"{ids.new('n')}@example.com", "totp_secret": text} for text in BAD_SECRETS]
    log = Log(http)
    job, report = imported(http, {**person, "totp_secret": url}, *bad)
    assert (job["status"], job["added"], job["refused"]) == ("finished", 1, len(bad))
    lines = [json.loads(line) for line in report.splitlines()]
    assert {(line["field"], line["code"]) for line in lines} == {("totp_secret", "invalid_parameter")}
    assert answered(http, challenged(http, person), app.code()).status_code == 200
    user_id = http.get("/v1/users", params={"email": person["email"]}).json()[0]["id"]
    listed = http.get(FACTORS.format(user_id)).json()
    assert [each["name"] for each in listed["second_factors"]] == ["Imported authenticator app"]
    assert listed["recovery_codes_left"] == 0
    told = [report, json.dumps(log.news()), server.log.read_text(), str(server.ask("SELECT * FROM second_factors"))]
    for secret in (app.secret, *(text for text in BAD_SECRETS if len(text) > 5)):
        assert not any(secret in each for each in told), secret


BAD_SECRETS = (
    "not base32!",
    "MFRGGZDF",
    "otpauth://hotp/x?secret=MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK&counter=1",
    "otpauth://totp/x?secret=MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK&algorithm=MD5",
    "otpauth://totp/x?secret=MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK&digits=4",
    "otpauth://totp/x?secret=MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK&period=1",
    "otpauth://totp/x?digits=6",
)


def test_an_import_gives_existing_users_an_app_only_if_they_have_no_factor(http: httpx2.Client) -> None:
    user = new_user(http, email_verified=True)
    app = App("MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK")
    row = {"name": user["name"], "email": user["email"], "totp_secret": app.secret}
    log = Log(http)
    assert imported(http, row, on_conflict="update", dry_run="true")[0]["updated"] == 1
    assert log.news() == [] and http.post("/v1/users/verify-password", json=password_of(user)).status_code == 200
    log.news()
    assert imported(http, row, on_conflict="update")[0]["updated"] == 1
    assert [event["type"] for event in log.news()] == ["second_factor.activated"]
    assert answered(http, challenged(http, user), app.code()).status_code == 200
    other = {**row, "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
    assert imported(http, other, on_conflict="update")[0]["unchanged"] == 1
    assert len(http.get(FACTORS.format(user["id"])).json()["second_factors"]) == 1


def test_importing_a_secret_needs_the_scope_for_hashes_and_the_right_to_act_with_the_role(
    server: Server, http: httpx2.Client
) -> None:
    secret = {"name": "Ida", "email": f"{ids.new('n')}@example.com", "totp_secret": "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"}
    viewer = new_user(http, role="viewer")
    with server.http(new_key(http, scopes=["users:write"])) as narrow:
        job, report = imported(narrow, secret)
        assert job["refused"] == 1 and json.loads(report)["code"] == "insufficient_scope"
    with server.http(new_key(http, scopes=["users:write", "users:import"])) as narrow:
        job, report = imported(
            narrow, secret, secret | {"name": viewer["name"], "email": viewer["email"]}, on_conflict="update"
        )
        assert (job["added"], job["refused"]) == (1, 1) and json.loads(report)["code"] == "insufficient_scope"
