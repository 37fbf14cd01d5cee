"""Invitations by mail, from the pages: to one, to a pasted list, again, and to those who are selected."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from itertools import count

import httpx2
import pytest

from rollbook.records.bulk_jobs import PART
from tests.harness import Server, new_user
from tests.mail_server import MailServer, mail_server
from tests.nodes.pair import wait_until
from tests.visitor import is_signed_in, set_password, signed_in, visitor

PASSWORD = "a lobster in the library"
numbers = count(time.time_ns() // 1000)


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


@pytest.fixture(scope="module")
def server(engine: str, mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "data")
    server.flags = ("--rate-limit", "none", "--page-limit", "none", "--mail-rate", "6000", *mail.flags(server.url))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def owner(server: Server) -> Iterator[httpx2.Client]:
    with signed_in(server) as found:
        yield found


def email() -> str:
    return f"mailed{next(numbers)}@example.com"


def user(http: httpx2.Client, address: str) -> dict[str, str]:
    [found] = http.get("/v1/users", params={"email": address, "fields": "*"}).json()
    return found


def accept(server: Server, link: str) -> None:
    with visitor(server) as person:
        assert set_password(person, link, PASSWORD).status_code == 303


def test_a_new_user_is_invited_by_mail_unless_the_link_is_asked_for(
    server: Server, http: httpx2.Client, owner: httpx2.Client, mail: MailServer
) -> None:
    mailed, shown = email(), email()
    answer = owner.post("/admin/users/new", data={"name": "Ada", "email": mailed, "role": "member"})
    id = user(http, mailed)["id"]
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/users/{id}")
    assert "Their link was sent, and" in owner.get(f"/admin/users/{id}").text
    accept(server, mail.wait_for_mail(mailed).link)
    found = user(http, mailed)
    assert (found["status"], found["email_verified"]) == ("active", True), "they can read that email"

    answer = owner.post("/admin/users/new", data={"name": "Bob", "email": shown, "role": "member", "show_link": "on"})
    assert answer.headers["location"].endswith("/link")
    [link] = re.findall(r"<code[^>]*>(http[^<]+)</code>", owner.get(answer.headers["location"]).text)
    accept(server, link)
    found = user(http, shown)
    assert (found["status"], found["email_verified"], mail.to(shown)) == ("active", False, [])


def test_a_pasted_list_is_invited_by_mail(
    server: Server, http: httpx2.Client, owner: httpx2.Client, mail: MailServer
) -> None:
    people = [email() for _ in range(5)]
    form = {"people": "\n".join(people), "role": "member", "send": "on"}
    page = owner.post("/admin/invitations/new", data=form)
    [seen] = re.findall(r'name="seen" value="([^"]+)"', page.text)
    answer = owner.post("/admin/invitations", data={**form, "seen": seen})
    assert answer.status_code == 303
    listed = owner.get(answer.headers["location"]).text
    assert listed.count("Sent, expires") == len(people) and "5 users invited" in listed
    for each in people:
        accept(server, mail.wait_for_mail(each).link)
        assert user(http, each)["status"] == "active"


def test_a_link_is_mailed_again_and_to_those_who_are_selected(
    server: Server, http: httpx2.Client, owner: httpx2.Client, mail: MailServer
) -> None:
    invited, active = email(), email()
    http.post("/v1/users", json={"name": "Ines", "email": invited, "status": "invited"}).raise_for_status()
    http.post("/v1/users", json={"name": "Alf", "email": active, "password": PASSWORD}).raise_for_status()
    ids = [user(http, each)["id"] for each in (invited, active)]
    answer = owner.post(f"/admin/users/{ids[0]}/send-link", data={"invitations": "on", "q": invited})
    assert answer.headers["location"].startswith("/admin/invitations?q=")
    first = mail.wait_for_mail(invited).link
    answer = owner.post("/admin/users/bulk/apply", data={"op": "send", "ids": " ".join(ids)})
    assert answer.status_code == 303
    second, reset = mail.wait_for_mail(invited, 2).link, mail.wait_for_mail(active).link
    with visitor(server) as person:
        assert person.get(first).status_code == 404, "the newer one counts"
    accept(server, second)
    accept(server, reset)


def test_a_bulk_job_mails_a_link_to_each_who_can_use_one(server: Server, http: httpx2.Client, mail: MailServer) -> None:
    """In several parts, and no one sees the links, not even who asked."""
    people = [email() for _ in range(PART + 3)]
    operations = [{"op": "create", "name": "Ines", "email": each, "status": "invited"} for each in people]
    created = http.post("/v1/users/bulk", json={"operations": operations, "atomic": True}).json()["results"]
    ids = [result["user"]["id"] for result in created]
    suspended = people.pop()
    http.post(f"/v1/users/{ids[-1]}/suspend").raise_for_status()
    job = http.post("/v1/bulk-jobs", json={"action": "setup_links", "send": True, "ids": ids}).json()
    url = f"/v1/bulk-jobs/{job['id']}"
    wait_until(lambda: http.get(url).json()["finished_at"])
    end = http.get(url).json()
    assert (end["total"], end["changed"], end["refused"]) == (len(ids), len(people), 1)
    links = {mail.wait_for_mail(each).link for each in people}
    assert len(links) == len(people)
    accept(server, mail.to(people[0])[0].link)
    accept(server, mail.to(people[-1])[0].link)
    assert [len(mail.to(each)) for each in people] == [1] * len(people)
    assert mail.to(suspended) == []
    results = [json.loads(line) for line in http.get(job["results_url"]).text.splitlines()]
    assert {row["url"] for row in results} == {None}


def test_a_session_by_a_link_that_was_only_mailed_is_the_users_own(
    server: Server, http: httpx2.Client, mail: MailServer
) -> None:
    """Nobody else has seen it. So it does not end with whoever had it sent."""
    admin, address = new_user(http, role="admin"), email()
    with signed_in(server, admin) as person:
        form = {"name": "Ida", "email": address, "role": "member"}
        assert person.post("/admin/users/new", data=form).status_code == 303
    with visitor(server) as invited:
        assert set_password(invited, mail.wait_for_mail(address).link, PASSWORD).status_code == 303
        assert http.delete(f"/v1/users/{admin['id']}").status_code == 204
        assert is_signed_in(invited)
