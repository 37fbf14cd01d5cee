"""What a mailed link proves: whoever can read an email has the account, and not who had the address here first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.contract import test_imports as imports
from tests.contract.test_adoption import ALL, Squatter
from tests.engines import once
from tests.factors import App, enrolled
from tests.harness import Server, new_key, new_user
from tests.mail_server import MailServer
from tests.visitor import visitor
from tests.webhooks.test_mail import sending

pytestmark = once  # what proves an email is a rule of no database

NEW = "a lobster in the library"
PAGES = {"reset_password": "/account/set-password?", "verify_email": "/account/confirm-email?"}


@pytest.fixture(scope="module")
def server(engine: str, mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = sending(tmp_path_factory.mktemp("server") / "data", mail)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def mailed(http: httpx2.Client, mail: MailServer, user: dict[str, Any], purpose: str, **fields: str) -> Any:
    """The mail with the link of a new token."""
    before = {each.id for each in mail.to(user["email"])}
    body = {"purpose": purpose, "send": True, **fields}
    http.post(f"/v1/users/{user['id']}/tokens", json=body).raise_for_status()

    def found() -> Any:
        links = [each for each in mail.to(user["email"]) if each.id not in before and PAGES[purpose] in each.text]
        return links[0] if links else None

    mail.wait_for(found)
    return found()


def token_of(link: str) -> str:
    return link.partition("token=")[2].partition("&")[0]


def is_verified(http: httpx2.Client, user: dict[str, Any]) -> bool:
    return http.get(f"/v1/users/{user['id']}", params={"fields": "*"}).json()["email_verified"]


# ---- a new password


@pytest.mark.parametrize("way", ["page", "call"])
def test_the_first_mailed_password_ends_what_another_person_had(
    server: Server, http: httpx2.Client, mail: MailServer, way: str
) -> None:
    squatter = Squatter(server, http)
    link = mailed(http, mail, squatter.user, "reset_password").link
    with visitor(server) as owner:
        page = owner.get(link)
        assert page.status_code == 200 and 'name="code"' not in page.text, "the squatter's factor is not asked for"
        assert squatter.ways_in() == ALL, "to look ends nothing"
        if way == "page":
            form = {"token": token_of(link), "password": NEW}
            assert owner.post("/account/set-password", data=form).status_code == 303
        else:
            consumed = {"token": token_of(link), "password": NEW, "revoke_keys": False}
            assert http.post("/v1/tokens/consume", json=consumed).status_code == 200
    assert squatter.ways_in() == []
    credentials = {"email": squatter.user["email"], "password": NEW}
    assert http.post("/v1/users/verify-password", json=credentials).status_code == 200
    assert is_verified(http, squatter.user)


def test_whoever_has_verified_their_email_keeps_their_factor_and_needs_it(
    server: Server, http: httpx2.Client, mail: MailServer
) -> None:
    user = new_user(http, email_verified=True)
    app = enrolled(http, user["id"])
    token = token_of(mailed(http, mail, user, "reset_password").link)
    body = {"token": token, "password": NEW}
    assert http.post("/v1/tokens/consume", json=body).json()["code"] == "second_factor_required"
    assert http.post("/v1/tokens/consume", json={**body, "code": app.at(1)}).status_code == 200
    assert http.get(f"/v1/users/{user['id']}/second-factors").json()["second_factors"]


def of_an_admin(server: Server, http: httpx2.Client) -> tuple[dict[str, Any], App]:
    found = Squatter(server, http, role="admin")
    return found.user, found.app


def set_by_an_admin(server: Server, http: httpx2.Client) -> tuple[dict[str, Any], App]:
    user = new_user(http)
    return user, enrolled(http, user["id"])


def imported(server: Server, http: httpx2.Client) -> tuple[dict[str, Any], App]:
    app = App("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    row = imports.user() | {"totp_secret": app.secret}
    assert imports.done(http, row)["added"] == 1
    return http.get("/v1/users", params={"email": row["email"]}).json()[0], app


@pytest.mark.parametrize("whose", [of_an_admin, set_by_an_admin, imported])
def test_who_reads_the_mailbox_alone_lifts_no_factor_that_no_stranger_can_have_set(
    server: Server, http: httpx2.Client, mail: MailServer, whose: Callable[..., tuple[dict[str, Any], App]]
) -> None:
    user, app = whose(server, http)
    factors = f"/v1/users/{user['id']}/second-factors"
    kept = http.get(factors).json()["second_factors"]
    with visitor(server) as reader:
        confirmation = token_of(mailed(http, mail, user, "verify_email").link)
        assert reader.post("/account/not-me", data={"token": confirmation}).status_code == 403
        link = mailed(http, mail, user, "reset_password").link
        assert 'name="code"' in reader.get(link).text
        form = {"token": token_of(link), "password": NEW}
        assert reader.post("/account/set-password", data=form).status_code in (400, 401)
        body = {"token": token_of(link), "password": NEW}
        assert http.post("/v1/tokens/consume", json=body).json()["code"] == "second_factor_required"
        assert [each["id"] for each in http.get(factors).json()["second_factors"]] == [each["id"] for each in kept]
        code = app.recovery_codes[0] if app.recovery_codes else app.code()
        assert reader.post("/account/set-password", data={**form, "code": code}).status_code == 303
    assert [each["id"] for each in http.get(factors).json()["second_factors"]] == [each["id"] for each in kept]
    assert is_verified(http, user)


def test_a_factor_that_an_application_has_set_may_be_a_strangers(
    server: Server, http: httpx2.Client, mail: MailServer
) -> None:
    shop = http.post("/v1/applications", json={"name": "Shop", "role": "admin"}).json()
    with server.http(new_key(http, user_id=shop["id"])) as own:
        user = new_user(own)
        enrolled(own, user["id"])
    body = {"token": token_of(mailed(http, mail, user, "reset_password").link), "password": NEW}
    assert http.post("/v1/tokens/consume", json=body).status_code == 200
    assert not http.get(f"/v1/users/{user['id']}/second-factors").json()["second_factors"]


def test_a_token_that_was_not_mailed_proves_nothing(server: Server, http: httpx2.Client) -> None:
    squatter = Squatter(server, http)
    made = http.post(f"/v1/users/{squatter.user['id']}/tokens", json={"purpose": "reset_password"}).json()
    body = {"token": made["token"], "password": NEW}
    assert http.post("/v1/tokens/consume", json=body).json()["code"] == "second_factor_required"


# ---- This was not me


def test_the_mail_and_page_of_a_verification_say_whose_account_it_is_and_how_to_end_it(
    server: Server, http: httpx2.Client, mail: MailServer
) -> None:
    squatter = Squatter(server, http, name="Mallory Mole")
    email = squatter.user["email"]
    found = mailed(http, mail, squatter.user, "verify_email")
    assert "Account: " + email in found.text and "Name: Mallory Mole" in found.text
    assert "choose “This was not me”" in found.text and "This was not me" in found.html
    token = token_of(found.link)
    with visitor(server) as owner:
        page = owner.get(found.link)
        assert "Mallory Mole" in page.text and email in page.text and "This was not me" in page.text
        assert "Das war ich nicht" in owner.get(found.link, headers={"Accept-Language": "de"}).text
        assert squatter.ways_in() == ALL
        assert owner.get("/account/not-me", params={"token": token}).headers["location"] == "/account"
        done = owner.post("/account/not-me", data={"token": token})
        assert done.status_code == 200 and "have ended" in done.text
        assert squatter.ways_in() == [] and not is_verified(http, squatter.user)
        assert owner.post("/account/not-me", data={"token": token}).status_code == 404
        assert owner.post("/account/confirm-email", data={"token": token}).status_code == 404


def test_only_an_account_whose_email_is_not_verified_is_disowned(
    server: Server, http: httpx2.Client, mail: MailServer
) -> None:
    verified, squatter = Squatter(server, http, email_verified=True), Squatter(server, http)
    with visitor(server) as owner:
        link = mailed(http, mail, verified.user, "verify_email").link
        assert "This was not me" not in owner.get(link).text
        assert owner.post("/account/not-me", data={"token": token_of(link)}).status_code == 404
        reset = mailed(http, mail, squatter.user, "reset_password").link
        assert owner.post("/account/not-me", data={"token": token_of(reset)}).status_code == 404
        assert squatter.ways_in() == ALL
        assert owner.post("/account/not-me", data={"token": "nonsense"}).status_code == 404
        assert verified.ways_in() == ALL
        owners = http.get("/v1/users/me").json()
        last = mailed(http, mail, owners, "verify_email").link
        assert owner.post("/account/not-me", data={"token": token_of(last)}).status_code == 403
    assert http.get("/v1/users/me").status_code == 200, "the last owner stays"


# ---- one's own email


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_ones_own_email_waits_for_the_link_to_the_new_one_by_api_too(
    server: Server, http: httpx2.Client, mail: MailServer, method: str
) -> None:
    user = new_user(http, email_verified=True)
    new = f"new-{user['email']}"
    with server.http(new_key(http, user_id=user["id"])) as caller:
        body = {"name": "Alice W", "email": new}
        assert caller.request(method, "/v1/users/me", json=body).status_code == 400
        wrong = caller.request(method, "/v1/users/me", json={**body, "current_password": "wrong"})
        assert wrong.json()["code"] == "wrong_password"
        right = {**body, "current_password": user["password"]}
        taken = caller.request(method, "/v1/users/me", json={**right, "email": new_user(http)["email"]})
        assert taken.json()["code"] == "email_taken"
        assert caller.get("/v1/users/me").json()["name"] == user["name"], "nothing of a refused change"
        answer = caller.request(method, "/v1/users/me", json=right)
        assert answer.status_code == 200
        assert (answer.json()["name"], answer.json()["email"]) == ("Alice W", user["email"])
        mail.wait_for(lambda: mail.to(new))
        assert caller.get("/v1/users/me").json()["email"] == user["email"]
    with visitor(server) as person:
        token = token_of(mail.to(new)[0].link)
        assert person.post("/account/confirm-email", data={"token": token}).status_code == 200
    changed = http.get(f"/v1/users/{user['id']}", params={"fields": "*"}).json()
    assert (changed["email"], changed["email_verified"]) == (new, True)
    others = http.patch(f"/v1/users/{user['id']}", json={"email": f"newer-{user['email']}"})
    assert others.json()["email"] == f"newer-{user['email']}", "an admin changes others' at once"


def test_ones_own_email_waits_in_a_batch_of_changes_too(server: Server, http: httpx2.Client, mail: MailServer) -> None:
    admin = new_user(http, role="admin")
    new = f"new-{admin['email']}"
    with server.http(new_key(http, user_id=admin["id"])) as caller:
        change = {"op": "update", "id": admin["id"], "email": new, "current_password": admin["password"]}
        done = caller.post("/v1/users/bulk", json={"operations": [change]})
        assert done.status_code == 207, done.text
        assert caller.get("/v1/users/me").json()["email"] == admin["email"]
    mail.wait_for(lambda: mail.to(new))
