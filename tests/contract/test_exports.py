"""`GET /v1/exports` and `rollbook users export`: all users of one moment as a file, which an import reads as it was."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.expect import refused
from tests.engines import once
from tests.harness import Server, new_key, new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import cookie, signed_in

EXPORTS = "/v1/exports"
OLD = "2019-03-01T10:00:00.123456Z"
TRICKY = (
    "=1+1",
    "＝1+1",
    "'＋1",
    "'=1+1",
    "''-x",
    "+49 30",
    "-",
    "@home",
    "'tis",
    'a "quoted", one',
    "Zoë 😀",
    "a;b",
    "x" * 255,
)
ALL = len(TRICKY) + 500 + 4


@pytest.fixture(scope="module")
def directory(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Users with everything that a user can have."""
    with (
        # Who reads nothing is not cut off while others are served, however long that takes.
        running(
            tmp_path_factory.mktemp("directory") / "data", "--rate-limit", "none", "--body-timeout", "600"
        ) as server,
        server.http() as http,
    ):
        for number, name in enumerate(TRICKY):
            metadata = {"text": name, "list": [1, 2.5, None], "=key": {"a": "\t\n"}} if number % 2 else {}
            user = new_user(
                http,
                name=name,
                email=f"Person{number}+x@example.com",
                metadata=metadata,
                private_metadata={"score": name},
                external_id=f"={number}",
            )
            if number % 3 == 0:
                http.post(f"/v1/users/{user['id']}/suspend")
            if number % 3 == 1:
                http.patch(
                    f"/v1/users/{user['id']}", json={"role": "viewer", "rate_limit": "7/hour", "email_verified": True}
                )
                http.post("/v1/users/verify-password", json={"email": user["email"], "password": user["password"]})
        operations = [{"op": "create", "name": "Many", "email": f"many{n}@example.com"} for n in range(500)]
        assert http.post("/v1/users/bulk", json={"operations": operations}).status_code == 207
        http.delete(f"/v1/users/{http.get('/v1/users', params={'email': 'many7@example.com'}).json()[0]['id']}")
        old = [
            {
                "name": "Old",
                "email": f"old{n}@example.com",
                "created_at": OLD,
                "last_sign_in_at": "2020-01-01T00:00:00Z",
            }
            for n in range(3)
        ]
        job = http.post("/v1/imports", content="".join(json.dumps(user) + "\n" for user in old))
        wait_until(lambda: http.get(job.headers["location"]).json()["status"] == "finished")
        new_user(http, name="Last")
        yield server


def everyone(http: httpx2.Client, **filters: str) -> list[dict[str, Any]]:
    users = http.get("/v1/users", params={"fields": "*", "limit": 1000, **filters}).json()
    for user in users:
        del user["last_active_at"]  # it follows the calls that are made here
    return users


def quiet(export: str) -> str:
    """An export without full minutes, as which `last_active_at` is told: it follows the calls that are made here."""
    return re.sub(r"T\d\d:\d\d:00Z", "T*Z", export)


def exported(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Users of NDJSON or CSV, as the API shows them: with times to the second."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == "application/x-ndjson":
        return [shown(json.loads(line)) for line in answer.text.splitlines()]
    rows = csv.DictReader(io.StringIO(answer.text, newline=""), strict=True)
    return [
        shown(
            {
                name: cell[1:] if cell.lstrip("'")[:1] in tuple("=+-@＝＋") and cell[:1] == "'" else cell
                for name, cell in row.items()
            }
        )
        for row in rows
    ]


def shown(user: dict[str, Any]) -> dict[str, Any]:
    del user["last_active_at"]
    for name in ("created_at", "updated_at", "last_sign_in_at"):
        if user[name]:
            user[name] = user[name].partition(".")[0].rstrip("Z") + "Z"
    if isinstance(user["metadata"], str):  # of CSV
        user |= {name: json.loads(user[name]) for name in ("metadata", "private_metadata")}
        user["email_verified"] = user["email_verified"] == "true"
        user |= {name: user[name] or None for name in ("external_id", "rate_limit", "ends_at", "last_sign_in_at")}
        assert user.pop("groups") == ""
    return user


@pytest.mark.parametrize("format", ["ndjson", "csv"])
def test_an_export_has_all_users_with_all_fields_in_the_order_of_the_list(directory: Server, format: str) -> None:
    with directory.http() as http:
        answer = http.get(EXPORTS, params={"format": format})
        assert exported(answer) == everyone(http)
        assert len(exported(answer)) == ALL
        assert answer.headers["cache-control"] == "no-store"
        plain = http.get(EXPORTS, params={"format": format}, headers={"Accept-Encoding": "identity"})
        with http.stream("GET", EXPORTS, params={"format": format}, headers={"Accept-Encoding": "gzip"}) as zipped:
            assert zipped.headers["content-encoding"] == "gzip"
            assert quiet(gzip.decompress(b"".join(zipped.iter_raw())).decode()) == quiet(plain.text)
        for filters in (
            {"q": "many1"},
            {"role": "viewer"},
            {"status": "suspended"},
            {"email": "many3@example.com"},
            {"q": "nobody at all"},
            {"created_before": "2020-01-01T00:00:00Z"},
            {"created_after": OLD},
        ):
            assert exported(http.get(EXPORTS, params={"format": format, **filters})) == everyone(http, **filters), (
                filters
            )


@once
def test_no_cell_of_a_table_is_a_formula(directory: Server) -> None:
    with directory.http() as http:
        rows = list(csv.reader(io.StringIO(http.get(EXPORTS, params={"format": "csv"}).text, newline="")))
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and cell]


def test_the_position_of_an_export_is_where_to_follow_from(directory: Server) -> None:
    with directory.http() as http:
        position = http.get(EXPORTS).headers["event-position"]
        user = new_user(http)
        news = http.get("/v1/events", params={"after": position}).json()
        assert [(event["type"], event["user_id"]) for event in news] == [("user.created", user["id"])]
        http.delete(f"/v1/users/{user['id']}?purge=true")


def test_who_may_export_and_what(directory: Server, http: httpx2.Client, as_role: Callable[..., httpx2.Client]) -> None:
    for role in ("member", "viewer"):
        refused(as_role(role).get(EXPORTS), 403, "insufficient_scope")
    refused(as_role("admin", scopes=["users:read"]).get(EXPORTS), 403, "insufficient_scope")
    assert as_role("admin", scopes=["users:export"]).get(EXPORTS).status_code == 200
    refused(http.get(EXPORTS, params={"status": "deleted"}), 400, "invalid_parameter", param="status")
    refused(http.get(EXPORTS, params={"format": "xlsx"}), 400, "invalid_parameter", param="format")
    refused(http.get(EXPORTS, params={"sort": "name"}), 400, "invalid_parameter", param="sort")
    # Not as a part of other words: IDs are made up of letters.
    assert not re.search(r"\bhash|_hash|\bargon2", http.get(EXPORTS).text)


def test_one_at_a_time_however_slowly_it_is_read_and_of_the_moment_it_began(directory: Server) -> None:
    """A client that reads nothing: the server has read all users all the same, and holds back no one but this
    caller."""
    with directory.http() as http, ExitStack() as stack:
        before = everyone(http)
        user = new_user(http, role="admin")
        other = new_key(http, user_id=user["id"])
        big = [
            {"op": "create", "name": "Big", "email": f"big{n}@example.com", "metadata": {"text": "x" * 15_000}}
            for n in range(400)
        ]
        made = http.post("/v1/users/bulk", json={"operations": big}).json()["results"]
        head = (
            f"GET {EXPORTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {directory.key}\r\nConnection: close\r\n\r\n"
        )
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", directory.port)))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)
        slow.sendall(head.encode())
        assert slow.recv(12) == b"HTTP/1.1 200"
        refused(http.get(EXPORTS), 429, "export_running")
        with directory.http(other) as second:
            assert len(exported(second.get(EXPORTS))) == len(before) + 401
        http.patch(f"/v1/users/{before[-1]['id']}", json={"name": "Changed since"})
        http.post(
            "/v1/users/bulk",
            json={"operations": [{"op": "delete", "id": each["user"]["id"], "purge": True} for each in made]},
        )
        rest = b"".join(iter(lambda: slow.recv(65_536), b""))
        assert len(rest) > 400 * 15_000 and rest.endswith(b"\r\n0\r\n\r\n")
        assert b"Changed since" not in rest and before[-1]["id"].encode() in rest
        wait_until(lambda: http.get(EXPORTS).status_code == 200)
        http.patch(f"/v1/users/{before[-1]['id']}", json={"name": before[-1]["name"]})
        http.delete(f"/v1/users/{user['id']}?purge=true")


def revoked(http: httpx2.Client, user: dict[str, Any], key: dict[str, Any]) -> None:
    assert http.delete(f"/v1/keys/{key['id']}").status_code == 204


def suspended(http: httpx2.Client, user: dict[str, Any], key: dict[str, Any]) -> None:
    assert http.post(f"/v1/users/{user['id']}/suspend").status_code == 200


def demoted(http: httpx2.Client, user: dict[str, Any], key: dict[str, Any]) -> None:
    assert http.patch(f"/v1/users/{user['id']}", json={"role": "viewer"}).status_code == 200


def signed_out(http: httpx2.Client, user: dict[str, Any], key: dict[str, Any]) -> None:
    (session,) = http.get("/v1/sessions", params={"user": user["id"]}).json()
    assert http.delete(f"/v1/sessions/{session['id']}").status_code == 204


@once
def test_an_export_ends_with_the_right_of_its_caller_to_have_it(directory: Server) -> None:
    """By key or in the dashboard, however much of it was already read from the database."""
    large = [
        {"op": "create", "name": "Large", "email": f"large{n}@example.com", "metadata": {"text": "x" * 15_000}}
        for n in range(1_000)
    ]
    with directory.http() as http:
        made = http.post("/v1/users/bulk", json={"operations": large}).json()["results"]
        for end, path in (
            (revoked, EXPORTS),
            (suspended, EXPORTS),
            (demoted, EXPORTS),
            (demoted, "/admin/users/export"),
            (signed_out, "/admin/users/export"),
        ):
            user = new_user(http, role="admin")
            key = http.post("/v1/keys", json={"name": "export", "user_id": user["id"]}).json()
            with signed_in(directory, user) as visitor, socket.create_connection(("127.0.0.1", directory.port)) as slow:
                session = f"Cookie: rollbook-{directory.port}={cookie(visitor, directory)}"
                who = f"Authorization: Bearer {key['key']}" if path == EXPORTS else session
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)
                slow.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{who}\r\nConnection: close\r\n\r\n".encode())
                assert slow.recv(12) == b"HTTP/1.1 200"
                end(http, user, key)
                time.sleep(1)  # what the server had written by then is still on its way
                rest = b"".join(iter(lambda: slow.recv(65_536), b""))
            assert not rest.endswith(b"0\r\n\r\n") and len(rest) < 1_000 * 15_000, (end, path)
            assert http.delete(f"/v1/users/{user['id']}?purge=true").status_code == 204
        deletions = [{"op": "delete", "id": each["user"]["id"], "purge": True} for each in made]
        assert http.post("/v1/users/bulk", json={"operations": deletions}).status_code == 207
    assert "Traceback" not in directory.log.read_text()


@once
def test_a_client_that_leaves_frees_its_turn(directory: Server) -> None:
    with directory.http() as http:
        for _ in range(5):
            with http.stream("GET", EXPORTS) as answer:
                assert answer.status_code == 200
            wait_until(lambda: http.get(EXPORTS).status_code == 200)


# ---- the command


def test_the_command_writes_the_same_from_a_folder_and_from_a_server(directory: Server, tmp_path: Path) -> None:
    file = tmp_path / "users.ndjson"
    with directory.http() as http:
        whole = http.get(EXPORTS).text
        table = http.get(EXPORTS, params={"format": "csv"}).text
        position = http.get(EXPORTS).headers["event-position"]
    done = directory.rollbook("users", "export", str(file), "--data", str(directory.data))
    assert quiet(file.read_text()) == quiet(whole) and "password_hash" not in whole
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    position = int(position) + 1  # the event that the export leaves
    assert f"{ALL:,} users exported." in done.stderr and f"--after {position}" in done.stderr
    over = directory.rollbook("users", "export", "-", "--format", "csv", "--url", directory.url, "--key", directory.key)
    assert quiet(over.stdout) == quiet(table.replace("\r\n", "\n"))
    few = directory.rollbook(
        "users", "export", "--role", "owner", "--with-hashes", "--data", str(directory.data)
    ).stdout
    assert json.loads(few)["password_hash"].startswith("$argon2id$")
    failed = directory.rollbook(
        "users", "export", "--with-hashes", "--url", directory.url, "--key", directory.key, check=False
    )
    assert (failed.returncode, failed.stdout) == (2, "")
    gone = directory.rollbook(
        "users", "export", str(tmp_path / "no" / "file"), "--data", str(directory.data), check=False
    )
    assert gone.returncode == 1 and "can't be written" in gone.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["users.ndjson"]


@pytest.mark.parametrize(("format", "hashes"), [("ndjson", True), ("ndjson", False), ("csv", True), ("csv", False)])
def test_an_import_of_an_export_gives_the_same_directory(
    directory: Server, tmp_path: Path, format: str, hashes: bool
) -> None:
    file, again = tmp_path / f"users.{format}", tmp_path / f"again.{format}"
    flags = ["--with-hashes"] if hashes else []
    directory.rollbook("users", "export", str(file), *flags, "--data", str(directory.data))
    assert file.read_bytes()[:3] == {"ndjson": b'{"i', "csv": b"id,"}[format]  # as the file's name says
    other = Server(tmp_path / "data")
    other.rollbook("users", "import", str(file), "--data", str(other.data))
    other.rollbook("users", "export", str(again), *flags, "--data", str(other.data))
    assert again.read_bytes() == file.read_bytes()
    done = other.rollbook("users", "import", str(file), "--data", str(other.data))
    assert f"\n0 users added, {ALL} skipped, 0 records refused" in done.stderr


def test_an_export_leaves_an_event_that_says_who_how_many_and_by_which_filter(
    server: Server, http: httpx2.Client, user: dict[str, Any]
) -> None:
    after = http.get("/v1/events").headers["event-position"]
    assert http.get("/v1/exports", params={"email_verified": False, "email": user["email"]}).status_code == 200
    server.rollbook("users", "export", "--data", str(server.data))
    assert http.get("/v1/exports", params={"metadata": "plan:pro"}).status_code == 200
    found = http.get("/v1/events", params={"after": after, "type": "users.exported"}).json()
    assert [each["actor"]["address"] for each in found] == ["127.0.0.1", "cli", "127.0.0.1"]
    assert found[2]["object"]["filters"] == {"metadata": "…"}, "not a reference to metadata that is stored by itself"
    assert found[0]["actor"]["user_id"] == http.get("/v1/users/me").json()["id"]
    assert found[0]["object"] == {
        "count": 1,
        "filters": {"email": "…", "email_verified": "false"},
        "with_hashes": False,
    }
    assert found[1]["object"]["filters"] == {}
    assert user["email"] not in str(found)
