"""The list of users: its order, its pages, its links followed through, its filters, its total; always as the last write
left it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, permutations, product
from typing import Any

import httpx2
import pytest

from tests.contract.expect import faults, ids, links, pages, refused
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_user, running

NAMES = ["Ann", "ann", "Bob", "Zoë", "Zoe", "Łukasz", "Ann", "李雷", "a%b_c", "Bob", "😀", "Bob", "Ann"]
EVERYTHING = "/v1/users?limit=1000&fields=*"
User = dict[str, Any]


@pytest.fixture(scope="module")
def several(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx2.Client, list[User]]]:
    """A server with users of many kinds, made over some minutes, and those users in the order in which they were
    made."""
    with running(tmp_path_factory.mktemp("several") / "data", "--rate-limit", "none") as server, server.http() as http:
        for number in range(39):
            server.pass_time(number // 5 * 60)
            user = new_user(
                http,
                name=NAMES[number % len(NAMES)],
                email=f"{'XyZ'[number % 3]}{random.Random(number).randrange(10**6)}@{('one', 'Two')[number % 2]}.example",
                role=("member", "member", "viewer", "admin")[number % 4],
                **({"external_id": f"ext-{number}"} if number % 3 == 0 else {}),
                **({"metadata": {"plan": ("pro", "free")[number % 2], "seats": number % 4}} if number % 7 else {}),
            )
            if number % 5 == 0:
                http.post(f"/v1/users/{user['id']}/suspend")
        yield http, http.get(EVERYTHING).json()


@pytest.fixture
def changing(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A server of its own for tests that count."""
    with running(tmp_path_factory.mktemp("changing") / "data", "--rate-limit", "none") as server, server.http() as http:
        yield http


def make(http: httpx2.Client, count: int, **fields: Any) -> list[str]:
    return [new_user(http, **fields)["id"] for _ in range(count)]


# ---- the list itself


def test_without_parameters_it_is_the_oldest_fifty_oldest_first(changing: httpx2.Client) -> None:
    made = [changing.get("/v1/users/me").json()["id"], *make(changing, 60)]
    answer = changing.get("/v1/users")
    assert ids([answer]) == made[:50]
    assert answer.headers["x-total-count"] == "61"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert ids([changing.get(links(answer)["next"])]) == made[50:]


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_a_page_is_the_slice_of_the_whole_at_every_limit_and_offset(
    several: tuple[httpx2.Client, list[User]], sort: str
) -> None:
    http, users = several
    assert [user["created_at"] for user in users] == sorted(user["created_at"] for user in users)
    whole = [user["id"] for user in users][:: -1 if sort[0] == "-" else 1]
    for limit in (1, 2, 7, 39, 40, 41, 1000):
        for offset in range(0, 43, 3):
            answer = http.get(f"/v1/users?limit={limit}&offset={offset}&sort={sort}")
            assert ids([answer]) == whole[offset : offset + limit]
            assert answer.headers["x-total-count"] == "40"
            found = links(answer)
            assert ("next" in found) == (offset + limit < 40)
            assert ("prev" in found) == (0 < offset < 40)


@pytest.mark.parametrize(
    "offset", ["40", "1000000", "9223372036854775807", "9223372036854775808", "99999999999999999999999999", "9" * 5000]
)
def test_past_the_end_is_an_empty_list_however_far(several: tuple[httpx2.Client, list[User]], offset: str) -> None:
    http, _ = several
    for more in ("", "&sort=-created_at", "&sort=-name", "&role=member&count=exact", "&q=example"):
        answer = http.get(f"/v1/users?offset={offset}{more}")
        assert (answer.status_code, answer.json()) == (200, [])
        assert "next" not in links(answer)
    assert http.get(f"/v1/users?offset={offset}").headers["x-total-count"] == "40"


def test_the_total_is_exact_after_every_create_delete_restore_and_purge(changing: httpx2.Client) -> None:
    def check(expected: int) -> None:
        for url in (
            "/v1/users?limit=1",
            "/v1/users?limit=1&offset=5",
            "/v1/users?limit=1&sort=-created_at",
            "/v1/users?sort=name",
            "/v1/users?offset=9999",
        ):
            answer = changing.get(url)
            assert answer.headers["x-total-count"] == str(expected), url
            if "next" in (found := links(answer)):
                assert changing.get(found["next"]).headers["x-total-count"] == str(expected), url
        assert changing.get("/v1/users/count").json() == {"count": expected}
        assert len(changing.get("/v1/users?limit=1000").json()) == expected

    made = make(changing, 8)
    check(9)
    for number, id in enumerate(made[:4]):
        changing.delete(f"/v1/users/{id}")
        check(8 - number)
    changing.delete(f"/v1/users/{made[0]}")  # not there any longer: 404, and counted once
    check(5)
    changing.post(f"/v1/users/{made[0]}/restore")
    check(6)
    changing.post(f"/v1/users/{made[0]}/restore")
    check(6)
    changing.delete(f"/v1/users/{made[1]}?purge=true")
    check(6)
    changing.delete(f"/v1/users/{made[7]}?purge=true")
    check(5)
    changing.post(
        "/v1/users", json={"name": "A", "email": "owner@example.com", "password": "securepassword123"}
    )  # taken
    check(5)


def test_pages_stay_right_over_many_deletes_and_restores(changing: httpx2.Client) -> None:
    alive = [changing.get("/v1/users/me").json()["id"], *make(changing, 70)]
    gone: list[str] = []
    chance = random.Random(7)
    order = {id: place for place, id in enumerate(alive)}
    for _ in range(60):
        if gone and chance.random() < 0.3:
            id = gone.pop(chance.randrange(len(gone)))
            assert changing.post(f"/v1/users/{id}/restore").status_code == 200
            alive = sorted([*alive, id], key=order.__getitem__)
        else:
            id = alive.pop(chance.randrange(1, len(alive)))
            assert changing.delete(f"/v1/users/{id}").status_code == 204
            gone.append(id)
        offset = chance.randrange(len(alive))
        answer = changing.get(f"/v1/users?limit=3&offset={offset}")
        assert ids([answer]) == alive[offset : offset + 3]
        assert answer.headers["x-total-count"] == str(len(alive))


# ---- links


def test_the_links_lead_through_the_whole_list_and_back(
    server: Server, several: tuple[httpx2.Client, list[User]]
) -> None:
    http, users = several
    whole = [user["id"] for user in users]
    for limit in (1, 3, 8, 20, 39, 40, 41):
        forth = list(pages(http, f"/v1/users?limit={limit}"))
        assert ids(forth) == whole
        assert all(len(page.json()) == limit for page in forth[:-1]) and forth[-1].json()
        assert "prev" not in links(forth[0]) and "next" not in links(forth[-1])
        back = list(pages(http, str(forth[-1].url), "prev"))
        assert [page.json() for page in back[1:]] == [page.json() for page in forth[-2::-1]]
        for page in forth:
            assert page.headers["x-total-count"] == "40"
            assert ids([http.get(links(page)["first"])]) == whole[:limit]
            assert all(f"limit={limit}" in target for target in links(page).values())


def test_from_any_offset_the_links_lead_on_and_back(several: tuple[httpx2.Client, list[User]]) -> None:
    http, users = several
    whole = [user["id"] for user in users]
    for more in ("", "&sort=created_at,name", "&q=example"):
        expected = whole if "q" not in more else [user["id"] for user in users if "example" in user["email"].lower()]
        for offset in (1, 5, 12, 38):
            page = http.get(f"/v1/users?limit=5&offset={offset}{more}")
            assert ids(list(pages(http, str(page.url)))) == expected[offset:]
            before = ids([http.get(links(page)["prev"])])
            assert before == expected[max(0, offset - 5) : offset]


def test_the_bare_cursor_leads_through_all_pages_like_the_links(several: tuple[httpx2.Client, list[User]]) -> None:
    http, _ = several
    for query in ({"limit": "7"}, {"limit": "7", "sort": "-name", "fields": "role"}):
        found, cursor = [http.get("/v1/users", params=query)], ""
        while cursor := found[-1].headers.get("x-next-cursor", ""):
            assert httpx2.URL(links(found[-1])["next"]).params["cursor"] == cursor
            found.append(http.get("/v1/users", params={**query, "cursor": cursor}))
        assert "next" not in links(found[-1])
        assert ids(found) == ids(list(pages(http, "/v1/users?" + "&".join("=".join(item) for item in query.items()))))


def test_a_list_of_names_may_also_be_a_repeated_parameter(several: tuple[httpx2.Client, list[User]]) -> None:
    http, _ = several
    some = ids([http.get("/v1/users?limit=3")])
    for together, apart in (
        (f"ids={','.join(some)}", "&".join(f"ids={id}" for id in some)),
        ("sort=-name,email", "sort=-name&sort=email"),
        ("fields=role,status", "fields=role&fields=status"),
    ):
        expected = http.get(f"/v1/users?limit=5&{together}")
        answer = http.get(f"/v1/users?limit=5&{apart}")
        assert answer.json() == expected.json() != []
        assert answer.status_code == 200


def test_a_link_repeats_what_was_asked(several: tuple[httpx2.Client, list[User]]) -> None:
    http, _ = several
    query = {
        "role": "member",
        "q": "EXAMPLE",
        "sort": "-name,email",
        "fields": "id,role",
        "created_after": "2023-10-27T12:00:00.5+02:00",
        "count": "exact",
        "limit": "4",
    }
    first = http.get("/v1/users", params=query)
    following = http.get(links(first)["next"])
    assert first.status_code == following.status_code == 200
    assert all(set(user) == {"id", "name", "email", "role"} and user["role"] == "member" for user in following.json())
    assert following.headers["x-total-count"] == first.headers["x-total-count"]
    assert not set(ids([first])) & set(ids([following]))
    asked = dict(following.url.params)
    assert {name: asked[name] for name in query if name != "created_after"} == {
        name: value for name, value in query.items() if name != "created_after"
    }
    assert asked["created_after"] == "2023-10-27T10:00:00.500000Z"


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-email,name"])
def test_who_follows_links_while_others_come_and_go_misses_nobody_and_sees_nobody_twice(
    changing: httpx2.Client, sort: str
) -> None:
    made = make(changing, 40)
    chance = random.Random(11)
    for relation in ("next", "prev"):
        living = ids([changing.get("/v1/users?limit=1000")])
        stays = set(living)
        url = f"/v1/users?limit=6&sort={sort}"
        if relation == "prev":
            url = str(list(pages(changing, url))[-1].url)
        seen: list[str] = []
        while True:
            answer = changing.get(url)
            page = ids([answer])
            seen += page
            last_seen = page[-1] if page else None
            # Another caller removes someone, among them the very user at the page's edge, and adds one.
            victims = [id for id in made if id in stays and (id != last_seen or chance.random() < 0.5)]
            victim = last_seen if last_seen in made and chance.random() < 0.5 else chance.choice(victims)
            changing.delete(f"/v1/users/{victim}")
            made.remove(victim)
            stays.discard(victim)
            made += make(changing, 1, name=chance.choice("AMZ"))
            if relation not in links(answer):
                break
            url = links(answer)[relation]
        assert len(seen) == len(set(seen)), "seen twice"
        assert stays <= set(seen), "missed"


@pytest.mark.parametrize("change", ["name", "email"])
def test_a_user_that_moves_in_the_order_does_not_move_the_others(changing: httpx2.Client, change: str) -> None:
    made = [new_user(changing, name=f"N{number:02}", email=f"n{number:02}@example.com")["id"] for number in range(20)]
    first = changing.get(f"/v1/users?limit=10&sort={change}&role=member")
    assert ids([first]) == made[:10]
    changing.put(f"/v1/users/{made[9]}", json={"name": "A", "email": "a@example.com"})
    assert ids([changing.get(links(first)["next"])]) == made[10:]


# ---- orders


def key_of(user: User, name: str, places: dict[str, int]) -> Any:
    return {"created_at": places[user["id"]], "name": user["name"].encode(), "email": user["email"].lower().encode()}[
        name
    ]


def in_order(users: list[User], sort: tuple[str, ...]) -> list[str]:
    places = {user["id"]: place for place, user in enumerate(users)}
    found = list(users)
    if sort[-1].startswith("-"):  # those that are equal, too
        found.reverse()
    for part in reversed(sort):
        name = part.removeprefix("-")
        found.sort(key=lambda user, name=name: key_of(user, name, places), reverse=part != name)  # type: ignore[misc]
    return [user["id"] for user in found]


ORDERS = [
    tuple(minus + name for minus, name in zip(signs, names, strict=True))
    for count in (1, 2, 3)
    for names in permutations(("created_at", "name", "email"), count)
    for signs in product(("", "-"), repeat=count)
]


@pytest.mark.parametrize("more", ["", "&role=member&status=active", "&q=example"])
def test_every_order_forwards_and_backwards_over_ties_and_mixed_directions(
    several: tuple[httpx2.Client, list[User]], more: str
) -> None:
    http, users = several
    if "role" in more:
        users = [user for user in users if (user["role"], user["status"]) == ("member", "active")]
    if "q" in more:
        users = [user for user in users if ".example" in user["email"].lower() or "example" in user["email"]]
    for sort in ORDERS if more == "" else ORDERS[::5]:
        expected = in_order(users, sort)
        url = f"/v1/users?limit=14&sort={','.join(sort)}{more}"
        forth = list(pages(http, url))
        assert ids(forth) == expected, sort
        back = list(pages(http, str(forth[-1].url), "prev"))
        assert [id for page in reversed(back) for id in ids([page])] == expected, sort
        assert ids([http.get(f"{url}&offset=5")]) == expected[5:19], sort
        assert ("x-total-count" in forth[0].headers) == (more == "")


# ---- filters


def chosen(users: list[User], filters: dict[str, str]) -> list[str]:
    def passes(user: User) -> bool:
        checks = {
            "email": lambda value: user["email"].lower() == value.lower(),
            "external_id": lambda value: user["external_id"] == value,
            "ids": lambda value: user["id"] in value.split(","),
            "role": lambda value: user["role"] == value,
            "status": lambda value: user["status"] == value,
            "created_after": lambda value: user["created_at"] >= value,  # kept more finely than shown
            "created_before": lambda value: user["created_at"] < value,
            "metadata": lambda value: user["metadata"].get("plan") == value.removeprefix("plan:"),
            "metadata[]": lambda value: str(user["metadata"].get("seats")) == value.removeprefix("seats:"),
            "q": lambda value: value.lower() in user["name"].lower() or value.lower() in user["email"].lower(),
        }
        return all(checks[name](value) for name, value in filters.items())

    return [user["id"] for user in users if passes(user)]


def test_every_filter_alone_and_every_two_and_all_together(several: tuple[httpx2.Client, list[User]]) -> None:
    http, users = several
    subject = users[16]
    values = {
        "email": subject["email"].swapcase(),
        "external_id": next(user["external_id"] for user in users[16:] if user["external_id"]),
        "ids": ",".join(user["id"] for user in users[10:25]),
        "role": subject["role"],
        "status": "suspended",
        "created_after": users[7]["created_at"],
        "created_before": users[31]["created_at"],
        "q": "TWO.exa",
        "metadata": "plan:pro",
        "metadata[]": "seats:0",
    }
    sets = [names for count in (1, 2, len(values)) for names in combinations(values, count)]
    empty = 0
    for names in sets:
        filters = {name: values[name] for name in names}
        expected = chosen(users, filters)
        empty += not expected
        answer = http.get("/v1/users", params={**filters, "limit": 1000})
        assert ids([answer]) == expected, filters
        assert "x-total-count" not in answer.headers, "filtered lists count only when asked"
        counted = http.get("/v1/users", params={**filters, "count": "exact", "limit": 1})
        assert counted.headers["x-total-count"] == str(len(expected)), filters
        assert http.get("/v1/users/count", params=filters).json() == {"count": len(expected)}, filters
        assert ids(list(pages(http, f"/v1/users?{httpx2.QueryParams({**filters, 'limit': 7})}"))) == expected, filters
    assert empty < len(sets) / 2, "most of these find someone"


def test_times_filter_to_the_microsecond_and_in_any_offset(several: tuple[httpx2.Client, list[User]]) -> None:
    http, users = several
    early, late = users[7]["created_at"], users[31]["created_at"]
    expected = chosen(users, {"created_after": early, "created_before": late})
    for form in ("{}Z", "{}z", "{}.000000Z", "{}+00:00", "{}-00:00", "{}.0000000001Z"):
        window = {"created_after": form.format(early[:-1]), "created_before": form.format(late[:-1])}
        assert ids([http.get("/v1/users", params={**window, "limit": 1000})]) == expected, form
    assert http.get("/v1/users", params={"created_after": "9999-12-31T23:59:59Z"}).json() == []
    assert http.get("/v1/users", params={"created_before": "1970-01-01T00:00:00Z"}).json() == []


@once
@grid(
    "value",
    [
        "yesterday",
        "2023-10-27",
        "2023-10-27T10:00:00",
        "2023-W01-1T10:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-10-27T25:00:00Z",
        "1698400800",
        "0001-01-01T00:00:00Z",
        "2023-10-27T10:00:00,5Z",
        "2023-10-27T10:00:00 00:00",
        "٢٠٢٣-10-27T10:00:00Z",
        "10000-01-01T00:00:00Z",
        "2023-10-27T10:00:00+24:00",
    ],
)
@grid("name", ["created_after", "created_before"])
def test_what_is_no_rfc_3339_time_is_400(http: httpx2.Client, name: str, value: str) -> None:
    assert faults(http.get("/v1/users", params={name: value})) == [name]


def test_a_range_of_time_that_ends_before_it_begins_is_400(http: httpx2.Client) -> None:
    webhook = http.post("/v1/webhooks", json={"url": "https://receiver.example.com/", "types": ["*"]}).json()["id"]
    reversed_range = {"created_after": "2026-02-01T00:00:00Z", "created_before": "2026-01-31T00:00:00Z"}
    for path in ("users", "users/count", "exports", "events", f"webhooks/{webhook}/deliveries"):
        answer = http.get(f"/v1/{path}", params=reversed_range)
        assert faults(answer) == ["created_before"], path
        assert "must not be earlier than created_after" in answer.json()["error"], path
    assert http.get("/v1/exports", params={"email": "nobody@example.com"}).status_code == 200, "it held no place"


def test_filters_that_nobody_passes_are_an_empty_list_not_an_error(http: httpx2.Client) -> None:
    for name, value in {
        "email": "nobody@example.com",
        "external_id": "none",
        "ids": "user_abc123,x",
        "q": "no such text",
    }.items():
        answer = http.get("/v1/users", params={name: value, "count": "exact"})
        assert (answer.status_code, answer.json(), answer.headers["x-total-count"]) == (200, [], "0")


def test_a_filter_sees_a_change_of_what_it_filters_at_once(http: httpx2.Client, user: dict) -> None:
    path, only = f"/v1/users/{user['id']}", {"ids": user["id"]}
    for change, finds, misses in (
        ({"role": "viewer"}, {"role": "viewer"}, {"role": "member"}),
        ({"external_id": "now"}, {"external_id": "now"}, {"external_id": "before"}),
        ({"email": "moved@example.com"}, {"email": "MOVED@example.com"}, {"email": user["email"]}),
        ({"status": "suspended"}, {"status": "suspended"}, {"status": "active"}),
    ):
        assert http.put(path, json=change).status_code == 200
        assert ids([http.get("/v1/users", params=only | finds)]) == [user["id"]]
        assert http.get("/v1/users", params=only | misses).json() == []


# ---- cursors


@pytest.fixture(scope="module")
def cursor(several: tuple[httpx2.Client, list[User]]) -> str:
    answer = several[0].get("/v1/users?limit=3&sort=name")
    return httpx2.URL(links(answer)["next"]).params["cursor"]


@once
def test_a_cursor_that_was_changed_in_any_place_is_refused(
    several: tuple[httpx2.Client, list[User]], cursor: str
) -> None:
    http, _ = several
    assert http.get(f"/v1/users?sort=name&cursor={cursor}").status_code == 200
    broken = [cursor[:at] + ("A" if letter != "A" else "B") + cursor[at + 1 :] for at, letter in enumerate(cursor)]
    broken += [
        cursor[:-1],
        cursor[1:],
        cursor + "A",
        cursor + "=",
        cursor[:5] + "!" + cursor[5:],
        cursor * 2,
        "A",
        "AAAA",
        "null",
        "é",
        "x" * 3000,
    ]
    for text in broken:
        answer = http.get("/v1/users", params={"sort": "name", "cursor": text})
        assert faults(answer) == ["cursor"]
        assert text == "A" or text not in answer.text


@once
def test_a_cursor_of_another_order_or_another_server_is_refused(
    http: httpx2.Client, several: tuple[httpx2.Client, list[User]], cursor: str
) -> None:
    for sort in ("created_at", "-name", "email", "name,created_at", "-created_at", "name,email"):
        assert faults(several[0].get(f"/v1/users?sort={sort}&cursor={cursor}")) == ["cursor"]
    assert faults(several[0].get(f"/v1/users?cursor={cursor}")) == ["cursor"]
    assert faults(http.get(f"/v1/users?sort=name&cursor={cursor}")) == ["cursor"]


@once
def test_cursor_and_offset_do_not_go_together(several: tuple[httpx2.Client, list[User]], cursor: str) -> None:
    refused(several[0].get(f"/v1/users?sort=name&offset=1&cursor={cursor}"), 400, "invalid_parameter", param="cursor")


def test_limit_may_change_between_pages(several: tuple[httpx2.Client, list[User]]) -> None:
    http, users = several
    following = links(http.get("/v1/users?limit=3"))["next"].replace("limit=3", "limit=11")
    assert ids([http.get(following)]) == [user["id"] for user in users[3:14]]


def test_a_cursor_outlives_a_restart(engine: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("restart") / "data") as server, server.http() as http:
        made = make(http, 5)
        following = links(http.get("/v1/users?limit=3"))["next"]
        server.stop()
        server.start()
        with server.http() as again:
            assert ids([again.get(following)]) == made[2:]
