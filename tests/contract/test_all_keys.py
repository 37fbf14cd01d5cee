"""The list of all API keys of the server: whose a key is, which are unused, which expire soon, and who may see it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused
from tests.contract.test_keys import hours_from_now, make, status
from tests.engines import once
from tests.harness import Server, new_key, new_user
from tests.nodes.pair import wait_until
from tests.visitor import signed_in, visitor


def found(http: httpx2.Client, **query: Any) -> list[dict[str, Any]]:
    answer = http.get("/v1/keys", params={"user": "all", "limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-total-count"] == str(len(answer.json()))
    return answer.json()


def ids(http: httpx2.Client, **query: Any) -> list[str]:
    return [key["id"] for key in found(http, **query)]


def moment(**before_now: float) -> str:
    return (datetime.now(UTC) - timedelta(**before_now)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_key_that_was_found_somewhere_leads_to_its_user(http: httpx2.Client, user: dict) -> None:
    key, other = make(http, user_id=user["id"]), make(http)
    me, fields = http.get("/v1/users/me").json()["id"], ("name", "email", "kind")
    for text in (key["id"], key["key"], key["masked"], key["masked"].replace("…", "..."), key["key"][:20]):
        [only] = found(http, prefix=text)
        assert (only["id"], only["user_id"], only["created_by"]) == (key["id"], user["id"], me), text
        assert [only[f"user_{field}"] for field in fields] == [user[field] for field in fields]
    assert other["id"] in ids(http, prefix=other["key"][:6]) and other["id"] in ids(http, prefix="key_")
    assert ids(http, prefix="rbk_n-ne") == ids(http, prefix=key["masked"][:-4] + "-xyz") == []
    http.delete(f"/v1/keys/{key['id']}")
    assert ids(http, prefix=key["masked"]) == [key["id"]], "revoked, and still known"
    http.delete(f"/v1/users/{user['id']}")
    [only] = found(http, prefix=key["masked"])
    assert (only["user_id"], only["user_name"], only["user_email"]) == (user["id"], None, None)


def test_all_keys_are_filtered_by_scope_use_expiry_and_creator(server: Server, http: httpx2.Client, user: dict) -> None:
    admin = new_user(http, role="admin")
    by_admin = server.http(make(http, user_id=admin["id"], name="full access")["key"])
    with by_admin:
        made = {
            "full": make(http, user_id=user["id"], expires_at=hours_from_now(24 * 5)),
            "reads": make(by_admin, user_id=user["id"], scopes=["users:read", "keys:read"]),
            "revoked": make(by_admin, user_id=user["id"], expires_at=hours_from_now(24 * 5)),
        }
    http.delete(f"/v1/keys/{made['revoked']['id']}")
    names = {key["id"]: name for name, key in made.items()}

    def named(**query: Any) -> list[str]:
        return [names[id] for id in ids(http, **query) if id in names]

    assert named() == ["full", "reads", "revoked"]
    assert named(scope="users:read") == ["full", "reads", "revoked"]
    assert named(scope="users:write") == ["full", "revoked"], "what a member can do with every key"
    assert named(scope="users:delete") == [], "no key of a member can, whatever its scopes"
    assert named(created_by=admin["id"]) == ["reads", "revoked"]
    assert named(expires_before=hours_from_now(24 * 7)) == ["full"]
    assert named(expires_before=hours_from_now(1)) == []
    # The admin's key goes back to who created it, and so do the keys that were created with it.
    assert named(user=user["id"], created_by="me") == ["full", "reads", "revoked"], "and of one user"
    assert named(unused_since=moment(days=90)) == []
    server.pass_time(100 * 86_400)
    try:
        assert status(server, made["reads"]["key"]) == 200
        wait_until(lambda: http.get(f"/v1/keys/{made['reads']['id']}").json()["last_used_at"] is not None)
        assert named(unused_since=moment(days=-10)) == [], "the other has expired"
        assert named(unused_since=moment(days=-101)) == ["reads"]
    finally:
        server.pass_time(0)


def test_the_list_of_all_keys_is_sorted_and_its_pages_link_to_the_next(http: httpx2.Client, user: dict) -> None:
    made = [make(http, user_id=user["id"], name=name)["id"] for name in ("b", "A", "c")]
    query: Any = {"created_by": "me", "user": "all"}
    assert [id for id in ids(http, sort="-created_at", **query) if id in made] == made[::-1]
    assert [id for id in ids(http, sort="name", **query) if id in made] == [made[1], made[0], made[2]]
    assert [id for id in ids(http, sort="-name", **query) if id in made] == [made[2], made[0], made[1]]
    whole, url, seen = ids(http), "/v1/keys?user=all&limit=2", list[str]()
    while url:
        answer = http.get(url)
        seen += [key["id"] for key in answer.json()]
        assert answer.headers["x-total-count"] == str(len(whole))
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        url = link[1] if link else ""
    assert seen == whole and len(whole) > 2


def test_only_who_may_read_all_users_and_all_keys_sees_the_list(server: Server, http: httpx2.Client) -> None:
    admin = new_user(http, role="admin")
    for role, scopes in (
        ("member", None),
        ("viewer", None),
        ("admin", ["keys:read"]),
        ("admin", ["users:read"]),
    ):
        holder = admin if role == "admin" else new_user(http, role=role)
        with server.http(new_key(http, user_id=holder["id"], scopes=scopes)) as caller:
            refused(caller.get("/v1/keys?user=all"), errors.InsufficientScope)
    with server.http(new_key(http, user_id=admin["id"], scopes=["keys:read", "users:read"])) as caller:
        assert ids(caller) == ids(http)


@once
@pytest.mark.parametrize("query", ["q=billing", "prefix=", "scope=all", "unused_since=90d", "expires_before=soon"])
def test_a_bad_filter_of_keys_is_named(http: httpx2.Client, query: str) -> None:
    answer = refused(http.get(f"/v1/keys?user=all&{query}"), errors.InvalidParameter)
    assert answer["param"] == query.partition("=")[0]


@once
def test_no_page_keeps_a_whole_key_in_its_url(server: Server, http: httpx2.Client) -> None:
    key = make(http, name="pasted")
    secret = key["key"][8:-4]
    paths = ("/admin/keys?prefix=", "/account/keys?q=", "/admin/users?q=", "/admin/people?q=", "/docs/search?q=")
    with signed_in(server) as person, visitor(server) as stranger:
        for each in (person, stranger):
            for path in paths:
                for text, rest in ((key["key"], key["masked"]), (key["key"][:30], key["key"][:8])):
                    answer = each.get(path + "%72" + text[1:])
                    assert answer.status_code == 303 and secret[:8] not in answer.headers["location"], path
                    assert answer.headers["location"] == path + quote(rest)
        for path in paths:
            part = person.get(path + key["key"], headers={"HX-Request": "true"})
            assert part.status_code == 200 and secret not in part.text + str(part.headers), "nor a part of one"
        assert "pasted" in person.get("/admin/keys", params={"prefix": key["key"]}, follow_redirects=True).text


@once
def test_the_page_of_all_keys_answers_in_plain_words(server: Server, http: httpx2.Client) -> None:
    owner = new_user(http)
    key, old = make(http, user_id=owner["id"], name="billing"), make(http, user_id=owner["id"], name="old one")
    make(http, user_id=owner["id"], name="soon over", expires_at=hours_from_now(24 * 20))
    http.delete(f"/v1/keys/{old['id']}")
    link = f"/admin/users/{owner['id']}"
    with signed_in(server) as person:

        def shown(**query: str) -> list[str]:
            page = person.get("/admin/keys", params=query)
            assert page.status_code == 200, page.text
            return re.findall(r'<th scope="row"><a href="/admin/users/\w+/keys/key_\w+">([^<]+)</a>', page.text)

        text = person.get("/admin/keys", params={"prefix": key["masked"]}).text
        assert f'<a href="{link}/keys/{key["id"]}">billing</a>' in text and f'href="{link}"' in text
        assert shown(prefix=key["key"][:8]) == shown(prefix=key["id"]) == ["billing"]
        assert shown(prefix=old["id"]) == ["old one"], "also one that was revoked"
        assert shown(owner=owner["email"]) == shown(owner=owner["id"]) == ["soon over", "billing", "old one"]
        assert shown(owner=owner["email"], expires="30") == ["soon over"]
        assert shown(owner=owner["email"], expires="7") == []
        assert shown(owner=owner["email"], unused="90") == []
        assert person.get("/admin/keys", params={"owner": "nobody@example.com"}).status_code == 400
        shop = http.post("/v1/applications", json={"name": "Kiosk No. 1"}).json()
        make(http, user_id=shop["id"], name="of the kiosk")
        assert shown(owner="kiosk no. 1") == shown(owner=shop["id"]) == ["of the kiosk"]
        http.post("/v1/applications", json={"name": "Kiosk No. 1"})
        for named, said in (("Kiosk No. 1", "more than one application"), ("Kiosk", "name of an application")):
            page = person.get("/admin/keys", params={"owner": named})
            assert page.status_code == 400 and said in page.text
        for text in (key["key"][:8], key["id"], key["masked"]):
            palette = person.get("/admin/people", params={"q": text}).text
            assert f"{link}/keys/{key['id']}" in palette and f"{owner['name']} · API key" in palette, "Ctrl-K"
            for path in ("/admin/users", "/admin/applications"):
                assert f"/admin/keys?prefix={quote(text)}" in person.get(path, params={"q": text}).text
    server.pass_time(91 * 86_400)
    try:
        with signed_in(server) as person:
            assert shown(owner=owner["email"], unused="90") == ["billing"]
    finally:
        server.pass_time(0)
    with signed_in(server, new_user(http, role="viewer")) as viewer:
        assert viewer.get("/admin/keys").status_code == 403
        assert key["id"] not in viewer.get("/admin/people", params={"q": key["id"]}).text


@once
def test_several_keys_are_revoked_at_once_and_one_that_may_not_be_keeps_no_other(
    server: Server, http: httpx2.Client
) -> None:
    admin, holder = new_user(http, role="admin"), new_user(http)
    of_owner, *theirs = make(http), make(http, user_id=holder["id"]), make(http, user_id=holder["id"])
    left = make(http, user_id=holder["id"])
    with signed_in(server, admin) as person:
        assert 'name="id" form="selection"' in person.get("/admin/keys").text
        selected = [of_owner["id"], *[key["id"] for key in theirs]]
        assert person.post("/admin/keys/revoke", data={"id": selected}).status_code == 403
        assert person.post("/admin/keys/revoke", data={"id": [key["id"] for key in theirs]}).status_code == 303
        assert "2 API keys revoked." in person.get("/admin/keys").text
    assert [status(server, key["key"]) for key in (of_owner, left)] == [200, 200]
    assert [status(server, key["key"]) for key in theirs] == [401, 401]
