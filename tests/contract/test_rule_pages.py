"""Rules in the dashboard: forms that say what the API says, previews before a rule is switched on, and the gallery."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest

from rollbook.actions.ready_rules import all_ready
from tests.contract.test_bulk_jobs import counts
from tests.contract.test_rules import run
from tests.harness import Server, new_user
from tests.nodes.pair import wait_until
from tests.visitor import signed_in


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("rules") / "data")
    mail = ("--smtp", "smtp+insecure://127.0.0.1:9", "--mail-from", "a@example.com", "--public-url", server.url)
    server.flags = ("--rate-limit", "none", "--webhook-allow", "127.0.0.0/8", *mail)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def owner(server: Server) -> Iterator[httpx2.Client]:
    with signed_in(server) as owner:
        yield owner


@pytest.fixture
def http(server: Server) -> Iterator[httpx2.Client]:
    with server.http() as http:
        yield http


class Filled(HTMLParser):
    """The fields of a page's form of a rule, as a browser sends them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._name = self._text = ""
        self.feed(page.partition('<form class="stack rule-form"')[2].partition("</form>")[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "input":
            self.fields[found["name"]] = found.get("value", "")
        elif tag in ("select", "textarea"):
            self._name, self._text = found["name"], ""
        elif tag == "option" and (self._name not in self.fields or "selected" in found) and self._name:
            self.fields[self._name] = found["value"]

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.fields[self._name] = self._text.removeprefix("\n")
        if tag in ("select", "textarea"):
            self._name = ""


def sent(owner: httpx2.Client, path: str, form: dict[str, str]) -> httpx2.Response:
    """The page that a form leads to."""
    answer = owner.post(path, data=form)
    assert answer.status_code == 303, re.findall(r'class="problem"[^>]*>([^<]*)', answer.text)
    return owner.get(answer.headers["location"])


def said(rule: dict[str, Any]) -> dict[str, Any]:
    return {name: rule[name] for name in ("name", "when", "who", "steps")}


def test_each_ready_rule_is_created_as_its_form_shows_it_previewed_and_left_unchanged_by_its_form(
    owner: httpx2.Client, http: httpx2.Client
) -> None:
    group = http.post("/v1/groups", json={"name": "Sales"}).json()["id"]
    gallery = owner.get("/admin/rules/ready").text
    for key, ready in all_ready().items():
        assert f'href="/admin/rules/new?ready={key}"' in gallery
        form = Filled(owner.get(f"/admin/rules/new?ready={key}").text).fields
        form |= {f"step{at}_group": "Sales" for at, name in ready.needs if name == "group_id"}
        page = sent(owner, "/admin/rules", form)
        id = str(page.url).rpartition("/")[2]
        rule = http.get(f"/v1/rules/{id}").json()
        chosen = {"group_id": group}
        steps = [
            {name: value or chosen[name] for name, value in step.items() if (name, value) != ("after_days", 0)}
            for step in ready.fields["steps"]
        ]
        assert said(rule) == ready.fields | {"steps": steps} and not rule["enabled"]
        assert "Switch on" in page.text and http.post(f"/v1/rules/{id}/preview").status_code == 200
        sent(owner, f"/admin/rules/{id}", Filled(owner.get(f"/admin/rules/{id}/edit").text).fields)
        assert http.get(f"/v1/rules/{id}").json() == rule
    assert gallery.count("You have it") == 0 and "You have it" in owner.get("/admin/rules/ready").text


def test_a_rule_that_its_form_has_no_fields_for_stays_as_it_is(owner: httpx2.Client, http: httpx2.Client) -> None:
    user = new_user(http)
    rule = {
        "name": "Chosen",
        "when": {"daily": "23:30", "zone": "Europe/Berlin"},
        "who": {"ids": [user["id"]], "metadata": ["a\\:b\\,c:d\\\\e", "n:1"], "second_factor": False, "kind": "person"},
        "steps": [
            {"do": "metadata", "metadata": {"plan": None, "seats": {"a": [1, 2.5]}}},
            {"do": "role", "role": "viewer", "after_days": 3},
        ],
        "max_users": 7,
    }
    id = http.post("/v1/rules", json=rule).json()["id"]
    before = http.get(f"/v1/rules/{id}").json()
    form = Filled(owner.get(f"/admin/rules/{id}/edit").text).fields
    sent(owner, f"/admin/rules/{id}", form)
    assert http.get(f"/v1/rules/{id}").json() == before
    stale = owner.post(f"/admin/rules/{id}/status", data={"enabled": "true", "version": "9"})
    assert stale.status_code == 412 and not http.get(f"/v1/rules/{id}").json()["enabled"]
    wrong = owner.post(f"/admin/rules/{id}", data=form | {"daily": "9", "more": '{"q": "x"}', "step1_after_days": "x"})
    assert wrong.status_code == 400
    for field in ("daily", "step1_after_days"):
        assert f'id="field-{field}-problem"' in wrong.text and f'href="#field-{field}"' in wrong.text
    wrong = owner.post(f"/admin/rules/{id}", data=form | {"more": '{"q": "x"}'})
    assert wrong.status_code == 400 and 'id="field-more-problem"' in wrong.text
    assert http.get(f"/v1/rules/{id}").json() == before


def test_what_a_step_sends_and_of_which_group_an_event_is_are_on_the_form(
    owner: httpx2.Client, http: httpx2.Client
) -> None:
    group = http.post("/v1/groups", json={"name": "Marketing"}).json()["id"]
    hook = {"url": "https://example.com/hook", "types": ["user.created"], "description": "The CRM"}
    webhook, reader = http.post("/v1/webhooks", json=hook).json()["id"], new_user(http, role="viewer", name="Rita")
    rule = {
        "name": "Tell all",
        "when": {"event": "group.member_added", "group_id": group},
        "who": {},
        "steps": [
            {"do": "mail", "subject": "Hello {{ user.name }}", "text": "One.\n\nTwo: <b>{{ link }}</b>"},
            {"do": "webhook", "webhook_id": webhook},
            {"do": "report", "to": webhook},
            {"do": "report", "to": reader["id"]},
            {"do": "report"},
        ],
    }
    id = http.post("/v1/rules", json=rule).json()["id"]
    before = http.get(f"/v1/rules/{id}").json()
    form = Filled(owner.get(f"/admin/rules/{id}/edit").text).fields
    assert form["of_group"] == "Marketing" and form["step1_webhook_id"] == form["step2_to"] == webhook
    page = sent(owner, f"/admin/rules/{id}", form).text
    assert http.get(f"/v1/rules/{id}").json() == before
    for words in ("added to the group “Marketing”", "mail “Hello {{ user.name }}”", "call the webhook “The CRM”"):
        assert words in page
    assert "send a report to The CRM" in page and "send a report to Rita" in page
    wrong = owner.post(f"/admin/rules/{id}", data=form | {"step0_text": "{{ nonsense }}", "of_group": "No such"})
    assert wrong.status_code in (400, 404)
    wrong = owner.post(f"/admin/rules/{id}", data=form | {"step0_text": "{{ nonsense }}", "step1_webhook_id": ""})
    for field in ("step0_text", "step1_webhook_id"):
        assert f'id="field-{field}-problem"' in wrong.text


def test_a_forms_answer_is_the_same_page_with_each_problem_in_peoples_words_and_in_its_order(
    owner: httpx2.Client,
) -> None:
    empty = owner.get("/admin/rules/new?ready=welcome").text
    wrong = {"when": "after:created_at", "days": "x", "max_users": "many", "step0_after_days": "soon"}
    answer = owner.post("/admin/rules", data=Filled(empty).fields | wrong | {"step1_do": "add_to_group"})
    assert answer.status_code == 400
    assert re.findall(r'<li><a href="#field-[^>]*>([^<]*)', answer.text) == [
        "The number of days must be a whole number.",
        "The number of people must be a whole number.",
        "Step 1: days later must be a whole number.",
        "Step 2: group is required.",
    ]
    frames = [re.findall(r"<(?:nav|h1|h2|form|legend|label)[^>]*>", page) for page in (empty, answer.text)]
    assert frames[0] == frames[1]


def test_a_mail_is_previewed_from_the_form_in_the_teams_words_alone(owner: httpx2.Client) -> None:
    form = Filled(owner.get("/admin/rules/new?ready=welcome").text).fields
    texts = {"step0_subject": "For {{ user.email }}", "step0_text": "Dear <b>{{ user.name }}</b>"}
    preview = owner.post("/admin/rules/mail", data=form | texts | {"step": "0"})
    assert preview.status_code == 200 and "sandbox" in preview.headers["content-security-policy"]
    assert "Dear &lt;b&gt;" in preview.text and "<h1" in preview.text and "For " in preview.text
    assert "Hello" not in preview.text and "{{" not in preview.text


def test_a_rule_by_an_event_is_for_people_from_now_on_and_names_no_one_who_is_there(
    owner: httpx2.Client, http: httpx2.Client
) -> None:
    user = new_user(http, name="Already There")
    rule = {"name": "Greet", "when": {"event": "user.created"}, "steps": [{"do": "end_sessions"}]}
    id = http.post("/v1/rules", json=rule).json()["id"]
    page = owner.get(f"/admin/rules/{id}").text
    assert "For people from now on" in page and user["id"] not in page
    assert http.post(f"/v1/rules/{id}/preview").json()["count"] == 0


def test_a_rule_that_is_for_no_one_now_says_whose_day_comes_next(owner: httpx2.Client, http: httpx2.Client) -> None:
    user = new_user(http, metadata={"team": "late"})
    rule = {"when": {"after": "last_active_at", "days": 9}, "who": {"metadata": ["team:late"]}}
    rule |= {"name": "Later", "steps": [{"do": "suspend"}]}
    id = http.post("/v1/rules", json=rule).json()["id"]
    preview = http.post(f"/v1/rules/{id}/preview").json()
    assert preview["count"] == 0
    days = datetime.fromisoformat(preview["next_run_at"]) - datetime.fromisoformat(user["created_at"])
    assert days == timedelta(9)
    page = owner.get(f"/admin/rules/{id}").text
    assert "No one matches yet" in page and "The next person’s day comes" in page and "never active" in page


def test_a_rule_for_too_many_waits_for_approval_on_its_page_and_on_the_overview(
    owner: httpx2.Client, http: httpx2.Client
) -> None:
    for _ in range(4):
        new_user(http, metadata={"team": "waiting"})
    fields = {"who": {"metadata": ["team:waiting"]}, "steps": [{"do": "suspend"}], "max_users": 2}
    made = http.post("/v1/rules", json={"name": "Wait", "when": {"after": "created_at", "days": 0}, **fields}).json()
    page = owner.get(f"/admin/rules/{made['id']}").text
    assert "For 4 people now" in page and "For more, it needs approval." in page
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    sent(owner, f"/admin/rules/{made['id']}/status", {"enabled": "true", "version": version[1]})
    wait_until(lambda: http.get(f"/v1/rules/{made['id']}").json()["waiting_count"] == 4, 30)
    page = owner.get(f"/admin/rules/{made['id']}").text
    assert "Needs approval" in page and "Approve to begin with all 4." in page and "Approve for 4 people" in page
    assert "For 4 people now" in page and "It begins with them once that is approved." in page
    need = f'<li><a href="/admin/rules/{made["id"]}">The rule “Wait” needs approval: 4 people</a></li>'
    needs = owner.get("/admin").text.partition('<ul class="needs">')[2].partition("</ul>")[0].split("\n")
    assert needs[1] == need and need not in needs[2:]
    refused = owner.post(f"/admin/rules/{made['id']}/run", data={"count": "3"})
    assert refused.status_code == 400 and "4 people match now" in refused.text
    sent(owner, f"/admin/rules/{made['id']}/run", {"count": "4"})
    assert counts(run(http, made, 0)) == (4, 4, 0, 0) and need not in owner.get("/admin").text
    page = owner.get(f"/admin/rules/{made['id']}").text
    job = re.search(r'href="/admin/bulk-jobs/(job_\w+)">Suspend 4 users', page)
    assert job and f'action="/admin/bulk-jobs/{job[1]}/undo"' in page
    assert f'href="/admin/rules/{made["id"]}"' in owner.get(f"/admin/bulk-jobs/{job[1]}").text
    sent(owner, f"/admin/rules/{made['id']}/delete", {})
    assert http.get(f"/v1/rules/{made['id']}").status_code == 404


def test_a_dry_run_of_an_import_names_the_rules_that_begin_with_who_is_added(
    owner: httpx2.Client, http: httpx2.Client
) -> None:
    steps = {"steps": [{"do": "end_sessions"}], "enabled": True, "who": {"metadata": ["team:added"]}}
    for name, when in (
        ("At sign-up", {"event": "user.created"}),
        ("After 14 days", {"after": "created_at", "days": 14}),
        ("At another event", {"event": "user.suspended"}),
        ("Off", {"event": "user.created"}),
    ):
        rule = {"name": name, "when": when, **steps, "enabled": name != "Off"}
        assert http.post("/v1/rules", json=rule).status_code == 201

    def page(fields: str, query: str) -> str:
        path = f"/imports/{http.post(f'/v1/imports?{query}', content=fields).json()['id']}"
        wait_until(lambda: http.get(f"/v1{path}").json()["status"] == "finished", 30)
        return owner.get(f"/admin{path}").text

    new = '{"name": "Ann", "email": "ann@example.com"}'
    assert "2 rules begin with the people who are added: At sign-up, After 14 days." in page(new, "dry_run=true")
    alone = "A rule begins with the people who are added: After 14 days."
    assert alone in page(new, "dry_run=true&events=summary")
    assert "with the people who are added" not in page("{}", "dry_run=true") + page(new, "dry_run=false")
    for rule in http.get("/v1/rules").json():
        http.delete(f"/v1/rules/{rule['id']}")
