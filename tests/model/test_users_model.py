"""Users behave like a list in memory: hypothesis makes up what is done to them, and both must answer alike, to the last
event."""

from __future__ import annotations

import os
import re
import time
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rollbook.records.user_search import folding
from rollbook.roles import is_promotion
from tests.callers import Answer, Connection, events, pages
from tests.harness import OWNER_EMAIL, Server

# Few, so that they meet: the same address in several spellings, names that contain each other.
EMAILS = st.sampled_from(
    [
        f"{local}@example.{end}"
        for local in ("ann", "ANN", "bob", "Bob.B", "carl", "zoë", "ZOË")
        for end in ("com", "org")
    ]
)
NAMES = st.sampled_from(
    ["Ann", "Anna Lee", "anna lee", "Bob", "Bobby Ännchen", "ännchen", "Carl", "Zoë 李小龙", "  Carl  "]
)
ROLES = st.sampled_from(["member", "viewer", "admin", "owner"])
EXTERNAL_IDS = st.sampled_from([None, "x1", "x2", "X1"])
TEXTS = st.sampled_from(
    [
        "ann",
        "NNA",
        "bob",
        "ännchen",
        "example.org",
        "李小龙",
        "lee",
        "nobody",
        "a",
        "An",
        "le",
        "zo",
        "n",
        "李",
        "小龙",
        "x",
        "X1",
        "user_0",
    ]
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES,
        "email": EMAILS,
        "role": ROLES,
        "external_id": EXTERNAL_IDS,
        "metadata": st.sampled_from([{}, {"a": 1}]),
        "private_metadata": st.sampled_from([{}, {"b": 2}]),
    },
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "role": ROLES,
        "status": st.sampled_from(["active", "invited", "suspended"]),
        "email": EMAILS,
        "q": TEXTS,
        "external_id": st.sampled_from(["x1", "X1"]),
    },
)
ORDERS = st.sampled_from(
    ["", "created_at", "-created_at", "name", "-name", "email", "-email", "name,-created_at", "-name,email"]
)

SHOWN = ("id", "name", "email", "role", "status", "external_id", "metadata", "private_metadata")
TAKEN = {"email": "Email address is already in use.", "external_id": "External ID is already in use."}

User = dict[str, Any]


# Where a word of these names and emails may begin.
WORD = re.compile(r"^|(?=[李小龙])|(?<=[\W_李小龙])")


def folded(text: str) -> str:
    return text.casefold()


class Users(RuleBasedStateMachine):
    """`living` is the model, oldest first; `deleted` holds what can be restored, with the place it had."""

    server: Server  # set by the test
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.http = Connection(self.server)
        self.living: dict[str, User] = {}
        self.deleted: dict[str, User] = {}
        self.born: list[str] = []  # ids in the order of creation
        self.without_password: set[str] = set()
        self.log: list[tuple[str, str]] = []  # type and id of each event
        self.waited = False
        self.start = list(events(self.http))[-1]["id"]

    def teardown(self) -> None:
        try:
            log = [(event["type"], event["user_id"]) for event in events(self.http, self.start)]
            assert log == self.log
        finally:
            for id in [*self.living, *self.deleted]:
                assert self.http.call("DELETE", f"/v1/users/{id}?purge=true").status == 204
            self.http.close()

    # ---- what may happen

    @rule(target=ids, name=NAMES, email=EMAILS, role=ROLES, external_id=EXTERNAL_IDS, is_invited=st.booleans())
    def create(self, name: str, email: str, role: str, external_id: str | None, is_invited: bool) -> Any:
        body = {"name": name, "email": email, "role": role, "external_id": external_id}
        body |= {"status": "invited"} if is_invited else {"password": "securepassword123"}
        answer = self.http.call("POST", "/v1/users?fields=*", body)
        if self._is_refused(answer, None, {"email": email, "external_id": external_id}):
            return multiple()
        assert answer.status == 201, answer.body
        id = answer.json["id"]
        assert id not in self.born
        self.living[id] = {
            "id": id,
            "name": name.strip(),
            "email": email,
            "role": role,
            "status": "invited" if is_invited else "active",
            "external_id": external_id,
            "metadata": {},
            "private_metadata": {},
        }
        self.born.append(id)
        if is_invited:
            self.without_password.add(id)
        self._happened("user.created", id)
        self._is_shown(answer.json, id)
        return id

    @rule(id=ids, changes=CHANGES)
    def update(self, id: str, changes: User) -> None:
        answer = self.http.call("PUT", f"/v1/users/{id}?fields=*", changes)
        if id not in self.living:
            assert answer.status == 404
            return
        user = self.living[id]
        if self._is_refused(answer, id, changes):
            return
        assert answer.status == 200, answer.body
        after = {**user, **changes, "name": changes.get("name", user["name"]).strip()}
        if after != user:
            self.living[id] = after
            self._happened("user.promoted" if is_promotion(user["role"], after["role"]) else "user.updated", id)
            self.search(user["name"], "")
        self._is_shown(answer.json, id)

    @rule(id=ids, status=st.sampled_from(["active", "suspended"]))
    def set_status(self, id: str, status: str) -> None:
        verb = {"active": "activate", "suspended": "suspend"}[status]
        answer = self.http.call("POST", f"/v1/users/{id}/{verb}")
        assert answer.status == (200 if id in self.living else 404), answer.body
        if id in self.living:
            to = "invited" if status == "active" and id in self.without_password else status
            if self.living[id]["status"] != to:
                self.living[id] = {**self.living[id], "status": to}
                self._happened({"active": "user.activated", "suspended": "user.suspended"}[status], id)

    @rule(id=ids)
    def set_password(self, id: str) -> None:
        answer = self.http.call("PUT", f"/v1/users/{id}/password", {"password": "another good password"})
        assert answer.status == (204 if id in self.living else 404), answer.body
        if id in self.living:
            self.without_password.discard(id)
            self._happened("user.password_changed", id)
            if self.living[id]["status"] == "invited":
                self.living[id] = {**self.living[id], "status": "active"}
                self._happened("user.activated", id)

    @rule(id=ids)
    def delete(self, id: str) -> None:
        answer = self.http.call("DELETE", f"/v1/users/{id}")
        assert answer.status == (204 if id in self.living else 404), answer.body
        if id in self.living:
            self.deleted[id] = self.living.pop(id)
            self._happened("user.deleted", id)
            self.search(self.deleted[id]["name"], "")

    @rule(id=ids)
    def restore(self, id: str) -> None:
        answer = self.http.call("POST", f"/v1/users/{id}/restore?fields=*")
        if id not in self.deleted:
            assert answer.status == 404
            return
        user = self.deleted[id]
        if self._is_refused(answer, id, user):
            return
        assert answer.status == 200, answer.body
        del self.deleted[id]
        self.living = {
            each: (self.living | {id: user})[each] for each in self.born if each in self.living or each == id
        }
        self._happened("user.restored", id)
        self._is_shown(answer.json, id)

    @rule(id=consumes(ids))
    def purge(self, id: str) -> None:
        answer = self.http.call("DELETE", f"/v1/users/{id}?purge=true")
        assert answer.status == (204 if id in self.living or id in self.deleted else 404)
        if answer.status == 204:
            self.living.pop(id, None)
            self.deleted.pop(id, None)
            self._happened("user.purged", id)

    @precondition(lambda self: self.living and not self.waited)
    @rule()
    def wait(self) -> None:
        """Until the background has brought all users into the search index; once, for it takes as long as everything
        else here."""
        self.waited = True
        time.sleep(0.3)

    # ---- what must be seen

    @rule(text=TEXTS, order=st.sampled_from(["", "-name"]))
    def search(self, text: str, order: str) -> None:
        query = urlencode({"q": text, "fields": "*", **({"sort": order} if order else {})})
        found = self.http.call("GET", f"/v1/users?{query}").json
        assert [self._known(user) for user in found] == self._expected({"q": text}, order)

    @rule(id=ids)
    def get(self, id: str) -> None:
        answer = self.http.call("GET", f"/v1/users/{id}")
        assert answer.status == (200 if id in self.living else 404)
        if id in self.living:
            self._is_shown(answer.json, id)

    @rule(filters=FILTERS, order=ORDERS, limit=st.integers(1, 4))
    def list_users(self, filters: dict[str, str], order: str, limit: int) -> None:
        expected = self._expected(filters, order)
        query = urlencode({**filters, **({"sort": order} if order else {}), "limit": limit, "fields": "*"})
        assert [self._known(user) for user in pages(self.http, f"/v1/users?{query}")] == expected
        for offset in {0, len(expected) // 2, max(0, len(expected) - 1), len(expected) + 3}:
            answer = self.http.call("GET", f"/v1/users?{query}&offset={offset}&count=exact")
            assert [self._known(user) for user in answer.json] == expected[offset : offset + limit]
            assert answer.headers["x-total-count"] == str(len(expected))
        assert self.http.call("GET", f"/v1/users/count?{urlencode(filters)}").json == {"count": len(expected)}

    @rule(ids=st.lists(ids, min_size=1, max_size=5, unique=True))
    def list_named(self, ids: Any) -> None:
        answer = self.http.call("GET", f"/v1/users?ids={','.join(ids)}")
        assert [user["id"] for user in answer.json] == [id for id in self.living if id in ids]

    @invariant()
    def count(self) -> None:
        assert self.http.call("GET", "/v1/users?limit=1").headers["x-total-count"] == str(len(self.living) + 1)

    # ---- how it is told

    def _happened(self, type: str, id: str) -> None:
        self.log.append((type, id))

    def _is_refused(self, answer: Answer, id: str | None, wanted: User) -> bool:
        """Whether another user has the address or external id; the answer must then say so, and only then."""
        others = [user for user in self.living.values() if user["id"] != id]
        owner = {"email": OWNER_EMAIL, "external_id": None}
        taken = [
            name
            for name in ("email", "external_id")
            if wanted.get(name) is not None
            and any(self._key(name, user[name]) == self._key(name, wanted[name]) for user in [*others, owner])
        ]
        if not taken:
            assert answer.json.get("error") is None, answer.body
            return False
        assert answer.status == 400
        assert answer.json["error"] in [TAKEN[name] for name in taken]
        return True

    @staticmethod
    def _key(name: str, value: str | None) -> str | None:
        return value.lower() if name == "email" and value is not None else value

    def _known(self, user: User) -> User:
        return {name: user[name] for name in SHOWN}

    def _is_shown(self, user: User, id: str) -> None:
        assert self._known(user) == self.living[id]

    @staticmethod
    def _is_found(user: User, text: str) -> bool:
        q = folded(text)
        if (user["external_id"] or "").startswith(text) or (len(q) > 5 and user["id"].startswith(q)):
            return True
        spellings, texts = folding.spellings(text), folding.searched_text(user["name"], user["email"]).split("\n")
        if len(q) > 2:
            return any(spelling in text for spelling in spellings for text in texts)
        return any(
            text.startswith(spelling, word.start())
            for spelling in spellings
            for text in texts
            for word in WORD.finditer(text)
        )

    def _expected(self, filters: dict[str, str], order: str) -> list[User]:
        owner = self.http.call("GET", "/v1/users/me").json
        found = []
        for user in [self._known(owner), *self.living.values()]:
            if (
                all(user[name] == filters[name] for name in ("role", "status", "external_id") if name in filters)
                and ("email" not in filters or user["email"].lower() == filters["email"].lower())
                and ("q" not in filters or self._is_found(user, filters["q"]))
            ):
                found.append(user)
        age = {id: place for place, id in enumerate([owner["id"], *self.born])}
        keys = {
            "created_at": lambda user: age[user["id"]],
            "name": lambda user: user["name"],
            "email": lambda user: user["email"].lower(),
        }
        if order.split(",")[-1].startswith("-"):  # those that are equal, too
            found.reverse()
        for part in reversed([part for part in order.split(",") if part]):
            found.sort(key=keys[part.removeprefix("-")], reverse=part.startswith("-"))
        return found


def test_users_behave_like_a_list_in_memory(server: Server, engine: str) -> None:
    Users.server = server
    run_state_machine_as_test(
        Users,
        settings=settings(
            # Others at each run; `ROLLBOOK_ROUNDS=200` tries more at once. On PostgreSQL a call costs several round trips.
            max_examples=int(os.environ.get("ROLLBOOK_ROUNDS", "20" if engine == "sqlite" else "6")),
            stateful_step_count=40,
            deadline=None,
            # Making a failure smaller repeats the waits for minutes: add Phase.shrink to look closer.
            phases=[Phase.generate],
            database=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
