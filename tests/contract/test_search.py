"""Search: `q` finds part of a name or an email, and the beginning of an ID, exactly as the last write left it, folded
into the index or not yet."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.contract.expect import faults, ids, pages
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_user, running


@pytest.fixture(scope="module")
def http(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with running(tmp_path_factory.mktemp("search") / "data", "--rate-limit", "none") as server, server.http() as client:
        client.server = server  # type: ignore[attr-defined]
        yield client


def folded(http: httpx2.Client) -> None:
    """Wait until the background has brought all into the index."""
    server: Server = http.server  # type: ignore[attr-defined]
    if server.database:  # PostgreSQL's index is never behind
        return
    database = sqlite3.connect(f"file:{server.data / 'rollbook.db'}?mode=ro", uri=True)
    deadline = time.monotonic() + 60
    try:
        while database.execute("SELECT count(*) FROM user_search_pending").fetchone()[0]:
            assert time.monotonic() < deadline, "the background does not fold"
            time.sleep(0.02)
    finally:
        database.close()


def found(http: httpx2.Client, q: str, **more: str) -> list[str]:
    answer = http.get("/v1/users", params={"q": q, "limit": "1000", **more})
    assert answer.status_code == 200, answer.text
    counted = {name: value for name, value in more.items() if name not in ("sort", "fields", "count")}
    assert http.get("/v1/users/count", params={"q": q, **counted}).json() == {"count": len(answer.json())}
    return ids([answer])


each_index = pytest.mark.parametrize(
    ("engine", "indexed"),
    [("sqlite", False), ("sqlite", True), ("postgresql", False)],
    indirect=["engine"],
    scope="module",
)
"""SQLite's index gets a name a moment later; PostgreSQL's has it at once."""


@each_index
@grid(
    ("name", "finds", "misses"),
    [
        (
            "Alice Wonderland",
            ["ali", "WONDER", "alice wonderland", "ce won", "land"],
            ["alicew", "wonderlands", "alice  w"],
        ),
        ("Zoë Łukasz", ["zoë", "ZOË", "zoe\u0308", "ŁUK", "ë ł", "zoe", "luk", "zoé", "E LU"], ["zoelu", "zë"]),
        ("Jürgen Müller", ["muller", "MULLER", "mul", "jurgen mü", "múller", "ｍｕｌｌｅｒ"], ["mueller", "mullar"]),
        ("Siobhán O'Connor", ["siobhan", "OConnor", "o’connor", "O`Conn", "an o'c", "án oco"], ["o connor", "ocon'"]),
        ("OConnor Dé", ["o'connor", "O’CONNOR", "oconnor de", "o-connor"], ["connorde"]),
        ("Jean-Luc St. Clair", ["jean-luc", "jeanluc", "JEAN LUC", "st clair", "luc st. c", "jean-"], ["jean  luc"]),
        ("Nguyễn Văn Đức", ["nguyen", "van duc", "nguyễn", "ễn v", "VĂN"], ["nguyenvan"]),
        ("Søren Æbelø Þór", ["soren", "aebelo", "thor", "søren", "ÆBE", "ø þ"], ["abelo"]),
        ("Αθηνά Ἀχιλλεύς", ["αθηνα", "αχιλλευσ", "ἈΧΙΛ", "Αχιλλεύς"], ["αχυλ"]),
        ("Артём Зайцев", ["артем", "зайцев", "ЗАИЦ", "артё"], ["артам"]),
        ("مُحَمَّد علي", ["محمد", "مُحَمَّد", "حمد ع"], ["محمو"]),
        ("שָׁלוֹם", ["שלום", "שָׁל"], ["שלוש"]),
        ("किरण हिन्दी", ["किरण", "हिन्दी", "रण ह"], ["करण", "हनद"]),
        ("สมชาย น้ำทิพย์", ["สมชาย", "น้ำทิพย์", "ชาย น้"], ["นำทพย"]),
        ("김철수", ["김철수", "\u1100\u1175\u11b7철수"], ["김철소"]),
        ("ガブリエラ・ﾔﾏﾀﾞ", ["ガブリ", "ﾔﾏﾀﾞ", "ﾔﾏﾀ", "ラ・ﾔ", "ラﾔﾏ"], ["カフリ"]),
        ("Ann ❤\ufe0f 1\ufe0f\u20e3", ["nn ❤", "nn ❤\ufe0f", "❤ 1"], ["❤1 "]),
        ("李小龍 Bruce", ["李小龍", "小龍 b"], ["龍小李"]),
        ("😀😁😂🤣", ["😀😁😂", "😁😂🤣"], ["😀😂😁"]),
        ("Straße", ["straße", "STRASSE", "asse", "aße"], ["strase"]),
        ("ΣΊΣΥΦΟΣ", ["σίσυφος", "σίσυφοσ", "ΊΣΥ", "σισυφος"], ["σισιφος"]),
        ("İstanbul Işık", ["i\u0307st", "İST", "stanbul", "ist", "isik", "ışık"], ["isil"]),
        ("50%_off*", ["50%", "%_o", "off*", "_off"], ["50_", "%%%", "___", "***", "5_%", "off%"]),
        (
            'O\'Brien "Bob" OR NOT',
            ["o'b", 'n "bob"', '"bob"', "or not", "ien"],
            ["'''", '"""', "bob OR nothing", "NEAR(bob not)"],
        ),
        (
            "back\\slash (x) [y] {z} ^q$ a:b -c +d",
            ["k\\s", "(x) [", "{z} ^", "q$ a:b", "b -c", "-c +d", "slash (x)"],
            ["\\\\\\", "(((", "text:back", "slash -c"],
        ),
        ("<script>&amp;</script>", ["<script>", "&amp;", "</s"], ["script&"]),
        ("山田\u3000太郎", ["田\u3000太", "山田\u3000"], ["山田太"]),
        ("👩\u200d💻 dev", ["👩\u200d💻", "\u200d💻 d", "👩💻 "], ["💻👩 "]),
        ("aaaaaaaa", ["aaa", "aaaaaaaa"], ["aaaaaaaaa"]),
        ("x;DROP TABLE users;--", ["drop table", ";--", "x;d"], ["drop  table"]),
    ],
)
def test_a_part_of_the_name_finds_in_any_case_and_signs_are_only_signs(
    http: httpx2.Client, name: str, finds: list[str], misses: list[str], indexed: bool
) -> None:
    user = new_user(http, name=name, email=f"n{time.perf_counter_ns()}@kqzw.dev")
    if indexed:
        folded(http)
    assert [q for q in finds if user["id"] not in found(http, q)] == []
    assert [q for q in misses if user["id"] in found(http, q)] == []
    http.delete(f"/v1/users/{user['id']}")


@each_index
def test_a_part_of_the_address_finds_as_well(http: httpx2.Client, indexed: bool) -> None:
    user = new_user(http, name="Nobody", email="First.Last+tag@Bücher.Example")
    if indexed:
        folded(http)
    for q in (
        "first.last",
        "+TAG@b",
        "BÜCHER",
        "t.last+",
        "er.example",
        "bucher",
        "tag@bucher.ex",
        "bücher.e",
        "t+tag@bü",
    ):
        assert found(http, q) == [user["id"]], q
    for q in ("nobodyfirst", "first last", "firstlast", "last@b", "first.@", "tag.bucher"):
        assert found(http, q) == [], q
    http.delete(f"/v1/users/{user['id']}")


@each_index
@grid(
    ("name", "finds", "misses"),
    [
        ("Alice Wonderland", ["a", "AL", "w", "wo", "ä"], ["l", "li", "on", "nd", "e ", " w"]),
        (
            "Zoë Øster-Ångström",
            ["z", "ZO", "ø", "ØS", "å", "ÅN", "a\u030an", "o", "os", "an"],
            ["ng", "el", "ël", "st"],
        ),
        ("Q", ["q"], ["qu"]),
        ("J R. O'Hara_x", ["j", "j ", "r", "r.", "o", "o'", "h", "ha", "x", "oh", "o’"], ["ar", "j.", "'h", "_x"]),
        ("ßtraße", ["ß", "s", "SS"], ["st", "tr"]),
        ("李小龍", ["李", "小", "龍", "李小", "小龍"], ["龍小", "李龍", "李 "]),
        ("李 小龍", ["李", "小", "李 ", "小龍"], ["李小"]),
        ("やまだ・タロウさん", ["や", "だ", "まだ", "タ", "ん", "ロウ"], ["ゃ"]),
        ("김철수abc", ["김", "철수", "수a", "a", "ab"], ["bc", "c"]),
        ("สมชาย", ["ส", "ชา", "ย"], ["ก"]),
        ("😀😁 ❤x", ["😀", "😁", "😀😁", "❤", "❤x", "x"], ["😂", "😁😀"]),
        ("50% «Müller»", ["5", "50", "m", "mü"], ["0", "0%", "%", "ül", "«m"]),
    ],
)
def test_one_or_two_characters_find_a_word_that_begins_with_them(
    http: httpx2.Client, name: str, finds: list[str], misses: list[str], indexed: bool
) -> None:
    user = new_user(http, name=name, email=f"kyv{time.perf_counter_ns()}@kqzw.dev")
    if indexed:
        folded(http)
    finds, misses = [*finds, "k", "KY", "de"], [*misses, "v", "kz", "qz"]
    assert [q for q in finds if user["id"] not in found(http, q)] == []
    assert [q for q in misses if user["id"] in found(http, q)] == []
    http.delete(f"/v1/users/{user['id']}")


@each_index
def test_an_id_and_an_external_id_are_found_by_their_first_characters(http: httpx2.Client, indexed: bool) -> None:
    first = new_user(http, name="Prefix one", external_id="Crm|7f%_x")
    second = new_user(http, name="Prefix crm two", external_id="Crm|7g", role="viewer")
    if indexed:
        folded(http)
    id = first["id"]
    both = [id, second["id"]]
    for q in (id, id[:-1], id.upper(), id[:20]):
        assert id in found(http, q), q
    assert found(http, id) == [id]
    assert found(http, id[:-1] + "~") == found(http, "user_") == found(http, id[5:]) == []
    assert found(http, "Crm|7") == found(http, "Crm|") == both
    assert found(http, "Crm|7", role="viewer") == both[1:]
    assert found(http, "Crm|7", sort="-created_at") == both[::-1]
    assert found(http, "Crm|7f%_") == [id]
    assert found(http, "rm|7") == found(http, "Crm|7%") == found(http, "CRM|7") == []
    # One user that two ways lead to is there once: `Cr` also begins a word of the second one's name.
    for q in ("Cr", "Crm"):
        assert found(http, q) == found(http, q, external_id="Crm|7f%_x") + both[1:] == both, q
    page = http.get("/v1/users", params={"q": "Crm", "limit": "1", "offset": "1", "count": "exact"})
    assert (ids([page]), page.headers["x-total-count"]) == (both[1:], "2")
    http.put(f"/v1/users/{id}", json={"external_id": "else"})
    assert (found(http, "Crm|7"), found(http, "els")) == (both[1:], [id])
    for id in both:
        http.delete(f"/v1/users/{id}")
    assert found(http, "Crm|7") == found(http, both[0]) == []


def test_no_match_reaches_from_the_name_into_the_address(http: httpx2.Client) -> None:
    user = new_user(http, name="Ends with qqq", email="zzz@example.com")
    for _ in range(2):
        assert found(http, "qqqzzz") == found(http, "qqq zzz") == []
        assert faults(http.get("/v1/users", params={"q": "qqq\nzzz"})) == ["q"]
        assert found(http, "with qqq") == [user["id"]]
        folded(http)


@each_index
def test_search_sees_each_write_at_once_and_forgets_what_was(http: httpx2.Client, indexed: bool) -> None:
    def settle() -> None:
        if indexed:
            folded(http)

    user = new_user(http, name="Before Xj Change", email="before.change@example.com")
    path, id = f"/v1/users/{user['id']}", user["id"]
    settle()
    assert found(http, "before") == found(http, "xj") == [id]
    http.put(path, json={"name": "Afterwards Qj"})
    settle()
    assert (found(http, "xj change"), found(http, "before.change"), found(http, "afterwards")) == ([], [id], [id])
    assert (found(http, "xj"), found(http, "qj")) == ([], [id])
    http.put(path, json={"email": "elsewhere@example.com"})
    settle()
    assert (found(http, "before"), found(http, "elsewhere")) == ([], [id])
    http.delete(path)
    settle()
    assert found(http, "afterwards") == found(http, "elsewhere") == found(http, "qj") == []
    http.post(f"{path}/restore")
    settle()
    assert found(http, "afterwards") == found(http, "elsewhere") == [id]
    http.delete(f"{path}?purge=true")
    settle()
    assert found(http, "afterwards") == found(http, "elsewhere") == []


def test_search_is_exact_while_the_background_folds(http: httpx2.Client) -> None:
    begun = time.monotonic()
    alive: dict[str, str] = {}
    turn = 0
    while turn <= 10 or time.monotonic() < begun + 1.5:  # several rounds of the background
        turn += 1
        id = new_user(http, name=f"Folding {turn:05}")["id"]
        assert found(http, f"folding {turn:05}") == [id]
        alive[id] = f"Folding {turn:05}"
        if turn % 3 == 0:
            oldest = next(iter(alive))
            http.delete(f"/v1/users/{oldest}")
            del alive[oldest]
        if turn % 4 == 0:
            oldest = next(iter(alive))
            alive[oldest] = f"Folding again {turn:05}"
            http.put(f"/v1/users/{oldest}", json={"name": alive[oldest]})
        assert sorted(found(http, "folding")) == sorted(alive)
    folded(http)
    assert sorted(found(http, "FOLDING")) == sorted(alive)
    assert sorted(found(http, "folding again")) == sorted(id for id, name in alive.items() if "again" in name)


def test_search_goes_with_every_filter_order_and_page(http: httpx2.Client) -> None:
    made = []
    for number in range(24):
        made.append(
            new_user(
                http,
                name=f"Combi {'ABC'[number % 3]}",
                role=("member", "viewer")[number % 2],
                external_id=f"combi-{number}",
            )
        )
        if number == 11:
            folded(http)  # half is in the index, half is pending
    all_ids = [user["id"] for user in made]
    assert found(http, "combi") == all_ids
    assert found(http, "combi", role="viewer") == all_ids[1::2]
    assert found(http, "combi", external_id="combi-13") == [all_ids[13]]
    assert found(http, "combi", ids=",".join(all_ids[10:14])) == all_ids[10:14]
    assert found(http, "combi", status="suspended") == []
    assert found(http, "combi", email=made[3]["email"]) == [all_ids[3]]
    for sort in ("created_at", "-created_at", "name", "-name", "name,-created_at", "-email"):
        expected = made[::-1] if sort.split(",")[-1][0] == "-" else list(made)
        for part in reversed(sort.split(",")):
            key = part.removeprefix("-")
            expected.sort(
                key=lambda user, key=key: all_ids.index(user["id"]) if key == "created_at" else user[key],
                reverse=part != key,
            )  # type: ignore[misc]
        url = f"/v1/users?q=combi&limit=5&sort={sort}&count=exact"
        forth = list(pages(http, url))
        assert ids(forth) == [user["id"] for user in expected], sort
        assert {page.headers["x-total-count"] for page in forth} == {"24"}
        back = list(pages(http, str(forth[-1].url), "prev"))
        assert [id for page in reversed(back) for id in ids([page])] == ids(forth), sort


@once
@pytest.mark.parametrize(
    "q", ["", "x" * 256, "\n", "a\n", "a\tbc", "a\nbc", "abc\x7f", "abc\x00", "\u2028abc", "a\x85bc"]
)
def test_what_no_name_can_hold_is_400(http: httpx2.Client, q: str) -> None:
    assert faults(http.get("/v1/users", params={"q": q})) == ["q"]


@grid(
    "q",
    [
        "x" * 255,
        " ",
        "  ",
        "%",
        '"',
        "*",
        "\\",
        "\\E",
        "a*",
        "'a",
        "􏿿",
        "   ",
        "abc ",
        "ab c",
        '"""',
        "***",
        "^^^",
        "(((",
        "AND",
        "NOT",
        "NEAR(a b, 2)",
        "text:abc",
        "-abc",
        "\\0\\0",
        "%00%",
        "'; --",
    ],
)
def test_any_other_text_is_a_search_not_an_error(http: httpx2.Client, q: str) -> None:
    for sort in ("created_at", "-name"):
        assert http.get("/v1/users", params={"q": q, "sort": sort, "count": "exact"}).status_code == 200
