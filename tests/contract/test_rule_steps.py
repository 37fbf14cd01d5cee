"""Steps by which a rule tells someone, or requires a new password; and what it tells its author about itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook.actions.ready_rules import all_ready
from tests.contract.paths import RULE
from tests.contract.test_bulk_jobs import counts, people
from tests.contract.test_rules import rule, run, runs
from tests.harness import OWNER_EMAIL, Server, new_key, new_user, running
from tests.mail_server import MailServer, mail_server
from tests.nodes.pair import wait_until
from tests.webhooks.listener import Listener, listening

HOST = "http://127.0.0.1:9"
MAIL = {"do": "mail", "subject": "Hello {{ user.name }}", "text": "You are {{user.email}}.\n\nSign in: {{ link }}"}


class Place(NamedTuple):
    """A server that sends mail and webhooks to this machine."""

    server: Server
    http: httpx2.Client
    mail: MailServer
    hooks: Listener


@pytest.fixture(scope="module")
def place(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    flags = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--mail-rate", "100000")
    allowed = (
        "--webhook-allow",
        "127.0.0.0/8",
        "--brand-name",
        "Acme",
        "--mail-notices",
        "rule_waiting",
        "--mail-notices",
        "rule_stopped",
    )
    with mail_server() as mail, listening() as hooks:
        folder = tmp_path_factory.mktemp("place") / "data"
        with running(folder, *flags, *allowed, *mail.flags(HOST)) as server, server.http() as http:
            yield Place(server, http, mail, hooks)


def forget(http: httpx2.Client, *made: dict[str, Any]) -> None:
    for each in made:
        assert http.delete(f"/v1/rules/{each['id']}").status_code == 204


def hook(place: Place, path: str, **fields: Any) -> str:
    body = {"url": place.hooks.url(path), "types": ["webhook.created"], **fields}
    answer = place.http.post("/v1/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_a_rule_mails_in_the_teams_own_words_and_a_name_leads_nowhere(place: Place) -> None:
    http, mail = place.http, place.mail
    steps = (
        MAIL,
        {
            "do": "mail",
            "subject": "{{ brand }}",
            "text": "{{ user.metadata.team }} {{ user.ends_at }} {{ user.metadata.x }}.",
        },
    )
    mark, [id] = people(http, 1)
    key, _, value = mark.partition(":")
    http.patch(f"/v1/users/{id}", json={"metadata": {"team": "Blue & Co"}, "ends_at": "2090-05-06T00:00:00Z"})
    evil = new_user(http, name="Win at evil.example", metadata={key: value})
    asleep = new_user(http, metadata={key: value})
    http.post(f"/v1/users/{asleep['id']}/suspend")
    made = rule(http, {"after": "created_at", "days": 0}, *steps, who={"metadata": [mark]})
    assert [counts(run(http, made, number)) for number in (0, 1)] == [(3, 3, 0, 0)] * 2
    email = http.get(f"/v1/users/{id}").json()["email"]
    second = mail.wait_for_mail(email, 2)
    first = mail.to(email)[0]
    assert first.subject.startswith("Hello Bea Bulk") and first.message["Auto-Submitted"] == "auto-generated"
    assert f"You are {email}.\n\nSign in: {HOST}/account" in first.text
    assert f"{first.subject}," not in first.text + first.html  # the team greets as it likes
    assert second.subject == "Acme" and "Blue & Co 2090-05-06 ." in second.text
    assert "Blue &amp; Co" in second.html
    strange = mail.wait_for_mail(evil["email"], 2)
    assert "evil" not in mail.to(evil["email"])[0].text.replace(evil["email"], "") and strange
    mail.wait_for_mail(asleep["email"], 2)  # who is suspended is told, too
    event = http.get("/v1/events", params={"user": id, "type": "rule.mailed"}).json()[0]
    assert event["object"]["text"] == steps[0]["text"] and f"<{event['id']}@[127.0.0.1]>" == first.id
    forget(http, made)


def test_a_new_password_is_required_at_the_next_sign_in_and_nothing_else(place: Place) -> None:
    http = place.http
    user, other = new_user(http), new_user(http)
    body = {"email": user["email"], "password": user["password"]}
    assert http.post("/v1/users/verify-password", json=body).status_code == 200
    made = rule(http, {"event": "user.suspended"}, {"do": "activate"}, {"do": "require_new_password"})
    http.post(f"/v1/users/{user['id']}/suspend")
    assert counts(run(http, made, 1)) == (1, 1, 0, 0)
    refused = http.post("/v1/users/verify-password", json=body)
    assert refused.status_code == 403 and refused.json()["code"] == "new_password_required"
    assert http.post("/v1/sessions", json={**body, "audience": "shop"}).json()["code"] == "new_password_required"
    wrong = http.post("/v1/users/verify-password", json={**body, "password": "not the password"})
    assert wrong.status_code == 401, "only who knows it hears of it"
    assert http.post(
        "/v1/users/verify-password", json={"email": other["email"], "password": other["password"]}
    ).is_success
    http.post(f"/v1/users/{user['id']}/suspend")
    assert counts(run(http, made, 3)) == (1, 0, 1, 0), "a step that did nothing says so"
    assert (
        http.post("/v1/tokens/request", json={"email": user["email"], "purpose": "reset_password"}).status_code == 202
    )
    token = place.mail.wait_for_mail(user["email"]).link.partition("token=")[2]
    new = {"token": token, "password": "another longer one"}
    assert http.post("/v1/tokens/consume", json=new).status_code == 200
    assert http.post("/v1/users/verify-password", json={**body, "password": new["password"]}).status_code == 200
    forget(http, made)


def test_a_rule_calls_a_webhook_signed_and_tried_again_and_no_other_hears_of_it(place: Place) -> None:
    http, hooks = place.http, place.hooks
    other = hook(place, "/other", types=["user.*"])
    called = hook(place, "/called")
    all_types = hook(place, "/all", types=["*"])
    hooks.answer = lambda message: (503 if message.path == "/called" and message.number == 1 else 200, 0)
    user = new_user(http)
    made = rule(http, {"event": "user.updated"}, {"do": "webhook", "webhook_id": called}, name="Call")
    http.patch(f"/v1/users/{user['id']}", json={"name": "Renamed"})
    assert counts(run(http, made, 0)) == (1, 1, 0, 0)
    place.server.pass_time(3600)  # a try later

    def calls() -> list[Any]:
        return [message for message in hooks.at("/called") if message.event["type"] == "rule.called"]

    hooks.wait_for(lambda: [message.status for message in calls()] == [503, 200])
    first, again = calls()
    assert first.id == again.id and again.event["type"] == "rule.called" and "webhook-signature" in again.headers
    about = again.event["object"]
    assert (about["id"], about["name"], about["user"]["name"]) == (made["id"], "Call", "Renamed")
    hooks.wait_for(lambda: "rule.called" in {message.event["type"] for message in hooks.delivered("/all")})
    assert "rule.called" not in {message.event["type"] for message in hooks.at("/other")}
    place.server.pass_time(0)
    hooks.answer = lambda message: (200, 0)
    http.delete(f"/v1/webhooks/{called}")
    assert http.patch(f"/v1/rules/{made['id']}", json={"max_users": 60}).json()["param"] == "steps[0].webhook_id"
    forget(http, made)
    for id in (other, all_types):
        http.delete(f"/v1/webhooks/{id}")


def test_a_report_is_one_list_for_whoever_may_read_all_users(place: Place) -> None:
    http = place.http
    mark, ids = people(http, 60)
    called = hook(place, "/report")
    when, who = {"after": "created_at", "days": 0}, {"metadata": [mark]}
    admin, member = new_user(http, role="admin"), new_user(http)
    for to in (member["id"], "user_0", ""):
        answer = http.post("/v1/rules", json={**RULE, "steps": [{"do": "report", "to": to}]})
        assert answer.json()["param"] == "steps[0].to", answer.text
    steps = ({"do": "report"}, {"do": "report", "to": admin["id"]}, {"do": "report", "to": called})
    made = rule(http, when, *steps, who=who, max_users=100)
    assert counts(run(http, made, 2)) == (60, 60, 0, 0)
    for recipient in (OWNER_EMAIL, admin["email"]):
        place.mail.wait_for(lambda to=recipient: any("report" in each.subject.lower() for each in place.mail.to(to)))
        [report] = [each for each in place.mail.to(recipient) if "report" in each.subject.lower()]
        [attached] = report.message.iter_attachments()
        rows = list(csv.DictReader(io.StringIO(attached.get_content())))
        assert {row["id"] for row in rows} == set(ids) and rows[0]["status"] == "active"

    def reports() -> list[dict[str, Any]]:
        return [each.event for each in place.hooks.delivered("/report") if each.event["type"] == "rule.reported"]

    place.hooks.wait_for(reports)
    [event] = reports()
    assert event["object"]["people"] == 60
    listed = http.get(f"/v1/bulk-jobs/{event['object']['job_id']}/results").text
    assert {json.loads(line)["user_id"] for line in listed.splitlines()} == set(ids)
    forget(http, made)
    http.delete(f"/v1/webhooks/{called}")


def test_the_author_hears_of_a_rule_that_waits_or_has_stopped(place: Place) -> None:
    http = place.http
    mark, _ = people(http, 55)
    admin = new_user(http, role="admin")
    own = place.server.http(new_key(http, user_id=admin["id"]))
    group = http.post("/v1/groups", json={"name": f"Gone {mark}"}).json()["id"]
    step = {"do": "add_to_group", "group_id": group}
    made = rule(own, {"after": "created_at", "days": 0}, step, who={"metadata": [mark]}, max_users=1, name="Add them")
    waits = place.mail.wait_for_mail(admin["email"])
    assert "Add them" in waits.subject and "55" in waits.text and waits.link == f"{HOST}/admin/rules/{made['id']}"
    http.delete(f"/v1/groups/{group}")
    path = f"/v1/rules/{made['id']}"
    seconds = count(200, 200)  # more than it waits before it tries again

    def is_off() -> bool:
        place.server.pass_time(next(seconds))
        return not http.get(path).json()["enabled"]

    wait_until(is_off)
    shown = http.get(path).json()
    assert (shown["failures"], shown["enabled"]) == (3, False) and shown["stopped_reason"]
    stopped = place.mail.wait_for_mail(admin["email"], 2)
    assert "stopped" in stopped.subject and not runs(http, made)
    place.server.pass_time(0)
    forget(http, made)


@pytest.mark.parametrize(
    ("step", "param"),
    [
        ({"do": "mail", "subject": "Hello", "text": "{{ user.password }}"}, "steps[0].text"),
        ({"do": "mail", "subject": "{{ 7 * 7 }}", "text": "x"}, "steps[0].subject"),
        ({"do": "mail", "subject": "two\nlines", "text": "x"}, "steps[0].subject"),
        ({"do": "mail", "subject": "Hello"}, "steps[0].text"),
        ({"do": "webhook", "webhook_id": "webhook_0123456789abcdefghijklmnop"}, "steps[0].webhook_id"),
        ({"do": "webhook"}, "steps[0].webhook_id"),
        ({"do": "suspend", "text": "x"}, "steps[0].text"),
    ],
)
def test_what_a_step_cant_say_is_refused(place: Place, step: dict[str, Any], param: str) -> None:
    answer = place.http.post("/v1/rules", json={**RULE, "steps": [step]})
    assert answer.status_code == 400 and answer.json()["param"] == param, answer.text


def test_a_key_without_the_scope_of_a_step_cant_have_it_and_all_ready_rules_can_be_created(place: Place) -> None:
    http = place.http
    called = hook(place, "/never")
    narrow = place.server.http(new_key(http, scopes=["rules:write", "users:read", "users:write"]))
    answer = narrow.post("/v1/rules", json={**RULE, "steps": [{"do": "webhook", "webhook_id": called}]})
    assert answer.status_code == 403 and "webhooks:write" in answer.text
    assert len(all_ready()) == 10
    group = http.post("/v1/groups", json={"name": "Of ready rules"}).json()["id"]
    for ready in all_ready().values():
        fields = {**ready.fields, "steps": [dict(step) for step in ready.fields["steps"]]}
        for at, name in ready.needs:
            fields["steps"][at][name] = group
        made = http.post("/v1/rules", json=fields)
        assert made.status_code == 201, made.text
        forget(http, made.json())
    http.delete(f"/v1/webhooks/{called}")


def test_without_a_mail_server_steps_that_mail_are_refused(http: httpx2.Client) -> None:
    for step in (MAIL, {"do": "report"}, {"do": "require_new_password"}, {"do": "setup_link"}):
        answer = http.post("/v1/rules", json={**RULE, "steps": [step]})
        assert answer.status_code == 400 and "smtp" in answer.json()["error"], answer.text
