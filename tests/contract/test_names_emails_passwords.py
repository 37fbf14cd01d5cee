"""Names, addresses and passwords through the front door: what is taken, what is the same, and that a password is never
seen again."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path

import httpx2
import pytest

from tests.contract.expect import faults, ids, refused
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_key, new_user, running

BREACHED = "ask the lobster"
GOOD = {"name": "Charlie Chaplin", "email": "charlie@example.com", "password": "securepassword123"}


def create(http: httpx2.Client, **fields: object) -> httpx2.Response:
    return http.post("/v1/users", json={**GOOD, **fields})


# ---- names


@grid(
    ("sent", "kept"),
    [
        ("  Alice  ", "Alice"),
        ("\u3000山田\u3000太郎\u00a0", "山田\u3000太郎"),
        ("Zoe\u0308", "Zoë"),
        ("\t\nAlice\n", "Alice"),
        ("x", "x"),
        ("n" * 255, "n" * 255),
        (" " * 50 + "n" * 255 + " " * 50, "n" * 255),
        ("e\u0301" * 255, "é" * 255),
        ("😀" * 255, "😀" * 255),
        ("O'Brien-Smith, Jr. <b>&", "O'Brien-Smith, Jr. <b>&"),
        ("محمد می\u200cخواهد", "محمد می\u200cخواهد"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("null", "null"),
        ("' OR 1=1 --", "' OR 1=1 --"),
    ],
)
def test_a_name_is_kept_trimmed_and_composed(http: httpx2.Client, sent: str, kept: str) -> None:
    user = new_user(http, name=sent)
    assert user["name"] == kept
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == kept
    assert http.put(f"/v1/users/{user['id']}", json={"name": sent + "\n"}).json()["name"] == kept


def test_a_user_with_hostile_text_comes_back_as_it_was(http: httpx2.Client) -> None:
    for text in (
        "<script>alert(1)</script>",
        "'; DROP TABLE users; --",
        '"},{"id":"x',
        "{{7*7}}",
        "${jndi:ldap://x}",
        "../../etc/passwd",
        "%s%n",
        "=cmd()",
    ):
        user = new_user(http, name=text, metadata={text: text})
        assert http.get(f"/v1/users/{user['id']}").json()["name"] == text
        assert http.get("/v1/users", params={"q": text}).json()[0]["name"] == text
        http.delete(f"/v1/users/{user['id']}?purge=true")


@once
@grid(
    "name",
    [
        "",
        " ",
        "\t\n",
        "\u3000\u00a0",
        "\u200b\u200d",
        "a\x07b",
        "a\x00b",
        "a\x7fb",
        "a\nb",
        "a\x85b",
        "a\u2028b",
        "a\u202eb",
        "a\U000e0061b",
        "a\u200fb",
        "n" * 256,
        "😀" * 256,
        "x" * 20_000,
        None,
        1,
        True,
        [],
        {},
    ],
)
def test_what_is_no_name_is_400_on_create_and_update(http: httpx2.Client, user: dict, name: object) -> None:
    answers = [
        create(http, name=name, email="no-name@example.com"),
        http.put(f"/v1/users/{user['id']}", json={"name": name}),
    ]
    for answer in answers:
        if isinstance(name, str) and "\0" in name:
            refused(answer, 400, "invalid_json")
        else:
            assert faults(answer) == ["name"]
        assert not isinstance(name, str) or len(name) < 3 or name not in answer.text, "not echoed"
    assert http.get("/v1/users", params={"email": "no-name@example.com"}).json() == []
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]


# ---- addresses


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("case@example.com", "CASE@Example.COM"),
        ("jose\u0301@example.com", "JOS\u00c9@example.com"),
        ("idn@bücher.example", "IDN@xn--bcher-kva.example"),
        ("idn2@bücher.example", "idn2@BU\u0308CHER.example"),
        ("用户@例え.テスト", "用户@xn--r8jz45g.xn--zckzah"),
        ("\u212aelvin@example.com", "kelvin@example.com"),
    ],
)
def test_two_spellings_of_one_address_are_taken_once_on_create_update_and_restore(
    http: httpx2.Client, user: dict, one: str, other: str
) -> None:
    first = new_user(http, email=one)
    assert first["email"] == one, "kept as sent"
    for spelling in (one, other):
        refused(create(http, email=spelling), 400, "email_taken", "Email address is already in use.", param="email")
        refused(
            http.put(f"/v1/users/{user['id']}", json={"email": spelling}),
            400,
            "email_taken",
            "Email address is already in use.",
            param="email",
        )
        assert ids([http.get("/v1/users", params={"email": spelling})]) == [first["id"]]
        assert (
            http.post("/v1/users/verify-password", json={"email": spelling, "password": first["password"]}).status_code
            == 200
        )
    assert http.get(f"/v1/users/{user['id']}").json()["email"] == user["email"]
    assert http.put(f"/v1/users/{first['id']}", json={"email": other}).json()["email"] == other, (
        "one's own in other letters"
    )
    http.delete(f"/v1/users/{first['id']}")
    second = create(http, email=one)
    assert second.status_code == 201
    refused(http.post(f"/v1/users/{first['id']}/restore"), 400, "email_taken")


def test_tags_dots_and_letters_that_only_look_alike_are_different_addresses(http: httpx2.Client) -> None:
    spellings = [
        "mike@alike.example",
        "mike+tag@alike.example",
        "m.ike@alike.example",
        "m\u0131ke@alike.example",
        "mike@alike.example.com",
        "stra\u00dfe@alike.example",
        "strasse@alike.example",
        "mike@faß.example",
        "mike@fass.example",
        "mіke@alike.example",
    ]
    made = [new_user(http, email=spelling)["id"] for spelling in spellings]
    assert [ids([http.get("/v1/users", params={"email": spelling})]) for spelling in spellings] == [[id] for id in made]


@once
@grid(
    "email",
    [
        "",
        "alice",
        "@",
        "alice@",
        "@example.com",
        "alice@localhost",
        "a@b@example.com",
        "a..b@example.com",
        "a b@example.com",
        " alice@example.com",
        "alice@example.com\n",
        "alice@example.com\r\nBcc: bob@example.com",
        "a\x7fb@example.com",
        "alice@-example.com",
        "alice@example..com",
        "alice@[127.0.0.1]",
        '"a b"@example.com',
        "Alice <alice@example.com>",
        "alice@1.2.3.4",
        "a" * 243 + "@example.com",
        "é" * 122 + "@example.com",
        "@" * 60_000,
        None,
        7,
        [],
        {},
    ],
)
def test_what_is_no_address_is_400_on_create_and_update(http: httpx2.Client, user: dict, email: object) -> None:
    total = http.get("/v1/users/count").json()
    for answer in (create(http, email=email), http.put(f"/v1/users/{user['id']}", json={"email": email})):
        assert faults(answer) == ["email"]
        assert not isinstance(email, str) or len(email) < 8 or email not in answer.text, "not echoed"
    assert http.get("/v1/users/count").json() == total
    assert http.get(f"/v1/users/{user['id']}").json()["email"] == user["email"]


@pytest.mark.parametrize(
    "email",
    [
        "a" * 242 + "@example.com",
        "a@" + "b" * 63 + ".com",
        "x@corp.internal",
        "o'brien+x@mail.test",
        "δοκιμή@παράδειγμα.δοκιμή",
    ],
)
def test_unusual_but_good_addresses_are_taken_and_found(http: httpx2.Client, email: str) -> None:
    user = new_user(http, email=email)
    assert user["email"] == email
    assert ids([http.get("/v1/users", params={"email": email})]) == [user["id"]]


# ---- passwords


@once
@pytest.mark.parametrize(
    "password",
    [
        "securepassword123",
        "x7#kQ9!m",
        "пароль-на-горе",
        "😀😁😂🤣😃😄😅😆",
        "        x",
        "p" * 200 + "!" * 56,
        "\ttabs\tand\x07bells",
        "correct horse battery staple",
    ],
)
def test_a_password_needs_eight_characters_and_nothing_else(http: httpx2.Client, password: str) -> None:
    user = new_user(http, password=password)
    credentials = {"email": user["email"], "password": password}
    assert http.post("/v1/users/verify-password", json=credentials).status_code == 200
    for near in (password[:-1], password + "x", password.swapcase(), password.strip()):
        if near and near != password:
            status = http.post("/v1/users/verify-password", json={**credentials, "password": near}).status_code
            assert status == (401 if len(near) <= 256 else 400), "nothing is cut off or made equal"


@once
def test_a_password_typed_on_another_keyboard_is_the_same(http: httpx2.Client) -> None:
    user = new_user(http, password="Pa\u030asse\u0301-ﬁnal")
    for typed in ("P\u00e5ss\u00e9-ﬁnal", "P\u00e5ss\u00e9-final", "Pa\u030asse\u0301-final"):
        assert (
            http.post("/v1/users/verify-password", json={"email": user["email"], "password": typed}).status_code == 200
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A server with a public host, and a file of breached passwords."""
    folder = tmp_path_factory.mktemp("guarded")
    hashes = sorted(sha1(text.encode()).hexdigest().upper() for text in (BREACHED, *map(str, range(9999))))
    (folder / "breached.txt").write_text("".join(f"{hash}:{len(hash)}\r\n" for hash in hashes))
    flags = ("--breached-passwords", str(folder / "breached.txt"), "--public-url", "https://users.acme.example")
    with running(folder / "data", "--rate-limit", "none", *flags) as server, server.http() as http:
        yield http


@once
@grid(
    "password",
    [
        BREACHED,
        "",
        "short12",
        "1234567",
        "p" * 257,
        "password",
        "12345678",
        "PASSWORD",
        "Password1",
        "qwertyuiop",
        "Summer2026!",
        "rollbook2026",
        "acme-2026!",
        "Chaplin1889",
        "Charlie.Chaplin!",
        "charlie@example.com",
        "Charlie Chaplin",
        "CHARLIE CHAPLIN",
        "$2b$12$" + "C" * 53,
        "$y$j9T$" + "a" * 30,
        "pbkdf2_sha256$1000$salt$" + "A" * 43 + "=",
        "{SSHA}" + "A" * 40,
        None,
        12345678,
        ["securepassword123"],
    ],
)
def test_short_long_common_and_obvious_passwords_are_400_wherever_one_is_set(
    guarded: httpx2.Client, password: object
) -> None:
    http = guarded
    user = create(http, email="obvious@example.com")
    if user.status_code == 400:
        user = http.get("/v1/users", params={"email": "obvious@example.com", "fields": "id"})
    id = user.json()["id"] if isinstance(user.json(), dict) else user.json()[0]["id"]
    http.put(f"/v1/users/{id}", json={"name": GOOD["name"]})
    setting = password if password != "charlie@example.com" else "obvious@example.com"
    answers = [
        http.put(f"/v1/users/{id}/password", json={"password": setting}),
        create(http, password=password, email="charlie@example.com"),
    ]
    for answer in answers:
        assert faults(answer) == ["password"]
        assert not isinstance(password, str) or len(password) < 9 or password not in answer.text, "not echoed"
    assert http.get("/v1/users", params={"email": "charlie@example.com"}).json() == []
    assert (
        http.post(
            "/v1/users/verify-password", json={"email": "obvious@example.com", "password": "securepassword123"}
        ).status_code
        == 200
    )


@once
def test_the_shortest_password_is_a_setting(tmp_path: Path) -> None:
    with (
        running(
            tmp_path / "data", "--rate-limit", "none", environment={"ROLLBOOK_PASSWORD_MIN_LENGTH": "15"}
        ) as server,
        server.http() as http,
    ):
        assert (
            "15"
            in refused(create(http, password="fourteen-chars"), 400, "invalid_parameter", param="password")["error"]
        )
        assert create(http, password="fifteen-chars!!").status_code == 201


def test_a_password_is_seen_nowhere_again(tmp_path: Path) -> None:
    """Not in an answer, not in the log, not in an event or an export, and in no file of the data folder, not even one
    that was refused."""
    secrets = [f"tell-tale-{number}-password" for number in range(8)]
    with (
        running(tmp_path / "data", "--rate-limit", "none", environment={"ROLLBOOK_LOG_LEVEL": "debug"}) as server,
        server.http() as http,
    ):
        user = new_user(http, password=secrets[0])
        path = f"/v1/users/{user['id']}"
        again = {"Idempotency-Key": "k1"}
        answers = [
            http.get(f"{path}?fields=*"),
            http.get("/v1/users?fields=*"),
            http.post("/v1/users", json={**GOOD, "password": secrets[1]}, headers=again),
            http.post("/v1/users", json={**GOOD, "password": secrets[1]}, headers=again),
            http.put(f"{path}/password", json={"password": secrets[2]}),
            http.put(path, json={"password": secrets[3]}),
            http.post(
                "/v1/users", json={"name": 1, "email": secrets[3], "password": secrets[3], "unknown": secrets[3]}
            ),
            http.post("/v1/users", content=f'{{"password": "{secrets[4]}", '.encode()),
            http.post("/v1/users/verify-password", json={"email": user["email"], "password": secrets[5]}),
            http.post(
                "/v1/users/verify-password",
                json={"email": user["email"], "password": secrets[2]},
                headers={"Idempotency-Key": "k2"},
            ),
            http.get("/v1/users", params={"password": secrets[6]}),
            http.post(f"/v1/users/verify-password?password={secrets[6]}", json={}),
            http.put("/v1/users/me/password", json={"password": secrets[7], "current_password": secrets[7] + "x"}),
            http.get(f"{path}/export"),
            http.get("/v1/events?limit=1000"),
        ]
        new_key(http, user_id=user["id"])
        assert {answer.status_code for answer in answers} == {200, 201, 204, 400, 401}
        for answer in answers:
            assert not any(secret in answer.text for secret in secrets), answer.text
            assert "argon2" not in answer.text and "password_hash" not in answer.text
        assert_nowhere(server, secrets)
        server.stop()
        assert_nowhere(server, secrets)


def assert_nowhere(server: Server, secrets: list[str]) -> None:
    files = server.kept()
    assert server.log.stat().st_size > 0 and files.keys() & {"rollbook.db", "PostgreSQL"}
    for name, content in files.items():
        assert [secret for secret in secrets if secret.encode() in content] == [], name
