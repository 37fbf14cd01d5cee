"""What SQLite makes into JSON is what the rest of the server would have made of the same user, to the letter."""

from __future__ import annotations

import httpx2
import pytest

from tests.harness import new_user

NAMES = ["Zoë 🦊 O'Brien", 'quote " backslash \\ slash /', "العربية", "<script>&amp;</script>", "e\u0301 composed"]
METADATA = {
    "nested": {"list": [1, -2.5, 1e30, True, None, "ü\u2028"]},
    "empty": {},
    'key "quoted"': "\\",
    "large": 12345678901234567890,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_user_is_the_same_whether_fields_are_named_or_not(http: httpx2.Client, name: str) -> None:
    user = new_user(
        http, name=name, metadata=METADATA, external_id=f"ext {name}", email_verified=True, rate_limit="5/minute"
    )
    assert (
        http.post("/v1/users/verify-password", json={"email": user["email"], "password": user["password"]}).status_code
        == 200
    )
    plain, named = http.get(f"/v1/users/{user['id']}"), http.get(f"/v1/users/{user['id']}?fields=*")
    assert plain.json() == named.json()
    assert list(plain.json()) == list(named.json())
    assert plain.json()["last_sign_in_at"] is not None
    assert plain.json()["metadata"] == METADATA
    assert plain.headers["etag"] == named.headers["etag"]


def test_a_list_is_the_same_whether_fields_are_named_or_not(http: httpx2.Client) -> None:
    for name in NAMES:
        new_user(http, name=name)
    for query in ("limit=1000", "limit=2", "limit=2&offset=1", "limit=3&offset=100000"):
        plain, named = http.get(f"/v1/users?{query}"), http.get(f"/v1/users?{query}&fields=id,name,email,created_at")
        assert plain.json() == named.json()
        assert plain.headers["x-total-count"] == named.headers["x-total-count"]
    first = http.get("/v1/users?limit=2")
    second = http.get(first.links["next"]["url"])
    assert second.json() == http.get("/v1/users?limit=2&offset=2").json()
