"""What older versions stored however deeply it was nested does not break a page."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.harness import new_user, running
from tests.visitor import signed_in


def test_pages_show_users_and_events_with_metadata_of_any_depth(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http, signed_in(server) as owner:
        users = [new_user(http) for _ in range(3)]
        for user, (opening, closing_, levels) in zip(
            users, (('{"a":', "}", 976), ("[", "]", 976), ('{"a":', "}", 16_000)), strict=True
        ):
            assert http.patch(f"/v1/users/{user['id']}", json={"metadata": {"plan": "pro"}}).status_code == 200
            deep = f'{{"deep": {opening * levels}1{closing_ * levels}}}'
            with closing(sqlite3.connect(server.data / "rollbook.db")) as database, database:
                database.execute("UPDATE users SET metadata = ? WHERE id = ?", (deep, user["id"]))
                for column in ("object", "before"):
                    database.execute(
                        f'UPDATE events SET {column} = replace({column}, \'{{"plan":"pro"}}\', ?) WHERE user_id = ?',
                        (deep, user["id"]),
                    )
                    database.execute(
                        f"UPDATE events SET {column} = replace({column}, '\"metadata\":{{}}', ?) WHERE user_id = ?",
                        (f'"metadata":{deep}', user["id"]),
                    )
            assert http.patch(f"/v1/users/{user['id']}", json={"name": "Deep"}).status_code == 200
        for path in ("/admin", "/admin/events", "/admin/users", *(f"/admin/users/{user['id']}" for user in users)):
            assert owner.get(path).status_code == 200, path
        for user in users:
            assert http.get(f"/v1/users/{user['id']}").status_code == 200
            assert http.get(f"/v1/users/{user['id']}/export").status_code == 200
            assert http.patch(f"/v1/users/{user['id']}", json={"metadata": {"more": 1}}).status_code == 400
            assert http.put(f"/v1/users/{user['id']}", json={"metadata": {}}).status_code == 200
        assert http.get("/v1/events").status_code == 200
        assert owner.get("/admin/events").status_code == 200
        assert [line for line in server.logged() if line.get("level") == "error"] == []
