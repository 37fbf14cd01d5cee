"""A server with people in it: what the screenshots show, and what the tests of every page walk through.

Seven days pass while it is made, by the server's clock file, so that there is something to plot. At the end its clock
is right again.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2

from rollbook.docs_site import guide
from rollbook.http.request import made_at
from rollbook.web.pages import PAGES
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server

HOURS = 7 * 24
REDIRECT_URL = "https://shop.invalid/callback"
PASSWORD = "correct horse battery staple"
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "'-alert(1)-'{{7*7}}",
)
"""Names that are scripts to whoever forgets to escape them."""

NAMES = (
    "Alice Wonderland",
    "Bob Builder",
    "Charlie Chaplin",
    "Диана Петрова",
    "Étienne Lefèvre",
    "Frank O'Connor",
    "Γεωργία Παπαδοπούλου",
    "Hanna Şahin",
    "Ívar Þórsson",
    "José María Ñúñez de la Peña",
    "Karl-Heinz Müßig",
    "Løvise Ødegård",
    "محمد الفاتح",
    "Nguyễn Thị Ánh",
    "Ola",
    "Przemysław Łukasiewicz",
    "Qiáng 强",
    "רות כהן",
    "田中 さくら",
    "李 小龍",
    "Ursula K. Le Guin",
    "Võ Minh",
    "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh, the Younger, of the Northern Marches",
    "Xochitl Ramírez",
    "Yusuf Demir",
    "Zoë van den Berg",
    "Kim Min-jun",
    "Анастасия Ковалёва",
    "Օլգա Սարգսյան",
    "ნინო ბერიძე",
    "Grace Hopper",
    "Alan Turing",
    "Ada Byron",
    "Radia Perlman",
    "Barbara Liskov",
    "Edsger Dijkstra",
    *HOSTILE,
)

BROWSER_NAMES = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 {HOSTILE[1]} {HOSTILE[2]}",
)


INVITED = {"status": "invited"}


class Population(NamedTuple):
    """A server and what of it the paths of pages can name."""

    server: Server
    member: dict[str, Any]
    """A member with keys, requests and sessions; signs in with PASSWORD."""
    users: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    """The owner's."""
    request_id: str
    """Of a request with one of the owner's keys."""
    event_ids: list[str]
    """One that changed a user, and one that created one."""
    webhooks: list[dict[str, Any]]
    """The owner's. The first one delivers to the inbox."""
    delivery: dict[str, Any]
    """To the first one."""
    job_id: str
    """Of a bulk job with users who were refused."""
    import_id: str
    """Of one with refused records."""
    links: dict[str, str]
    """Of one-time tokens that nobody has used: the query, by the path."""
    invited: dict[str, Any]
    """An invited user who has a link."""
    groups: list[str]
    """IDs: of one with members, of which the member is one, and of one without."""
    applications: list[str]
    """IDs: of one with keys, webhooks and requests, and of one without."""
    rules: list[str]
    """IDs: of one that is off, of one that runs every day, and of one that begins with an event."""


class Place(NamedTuple):
    """A page to visit."""

    name: str
    """Good for a file's name."""
    path: str
    who: str
    pattern: str
    """The path in the table of pages."""


def populate(server: Server, hours: int = HOURS, progress: Callable[[int], object] = lambda hour: None) -> Population:
    """Fill a server that has not been started; it runs afterwards. `progress` is told the hours that are left."""
    chance = random.Random(7)
    server.pass_time(-hours * 3600)
    server.start()
    with server.http() as http:
        _done(http.patch("/v1/users/me", json={"name": "Ada Lindqvist"}))
        # Half of them are there from the start, the others come one by one.
        users = [_user(http, number, name) for number, name in enumerate(NAMES[: len(NAMES) // 2])]
        member = users[0]
        keys = _keys(http, hours)
        theirs = [_key(http, name=name, user_id=member["id"]) for name in ("Home automation", HOSTILE[0])]
        for name in ("Microsoft Entra ID", HOSTILE[0]):
            _key(http, name=name, kind="scim")
        applications = [_application(http, name) for name in ("Shop", HOSTILE[2])]
        with server.http(_key(http, name=HOSTILE[1], user_id=applications[0])["key"]) as shop:
            _done(shop.post("/v1/webhooks", json={"url": "inbox", "types": ["group.*"], "description": HOSTILE[0]}))
            _done(shop.get("/v1/users/me"))
        clients = [server.http(key["key"]) for key in (*(keys[number] for number in USED), *theirs)]
        for hour in range(hours, 0, -1):
            progress(hour)
            server.pass_time(1800 - hour * 3600)
            while len(users) < len(NAMES) * (2 * hours - hour) / (2 * hours):
                users.append(_user(http, len(users), NAMES[len(users)]))
            # Busier by day, and one hour of trouble.
            for _ in range(round((8 if 8 <= hour % 24 <= 18 else 3) * chance.random())):
                clients[chance.choice((3, 3, 4))].get(
                    chance.choice(("/v1/users/me", "/v1/users/me", "/v1/keys", "/v1/users"))
                )
            for _ in range(round((30 if 8 <= hour % 24 <= 18 else 12) * chance.random())):
                _some_request(chance, chance.choice(clients[:3]), users)
            if hour == hours // 5:
                for _ in range(60):
                    _some_request(chance, clients[1], users)
        server.pass_time(-600)
        for number in SUSPENDED:
            _done(http.patch(f"/v1/users/{users[number]['id']}", json={"status": "suspended"}))
        gone = [users[number] for number in DELETED]
        for user in gone:
            _done(http.delete(f"/v1/users/{user['id']}"))
        _done(http.delete(f"/v1/keys/{keys[-1]['id']}"))
        _done(http.post(f"/v1/keys/{keys[-2]['id']}/rotate", json={"overlap": 86_400}))
        server.pass_time(-60)
        for name in BROWSER_NAMES:
            sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD, name)
            sign_in_by_form(server, member["email"], PASSWORD, name)
        server.pass_time(0)
        links = _links(http, users[2], users[3])
        invited = [
            _done(http.post("/v1/users", json={"name": name, "email": f"invited{number}@example.com", **INVITED}))
            for number, name in enumerate(("Margaret Hamilton", HOSTILE[0]))
        ]
        _done(http.post(f"/v1/users/{invited[0]['id']}/tokens", json={"purpose": "invite"}))
        # Ids of requests hold the second, read every now and then: those given right after the clock was moved say
        # another one.
        deadline = time.monotonic() + 60
        while abs((made_at(http.get("/health/live").headers["x-request-id"]) or 0) / 1e6 - time.time()) > 5:
            assert time.monotonic() < deadline, "the ids of requests do not follow the clock"
            time.sleep(0.1)
        # Before the requests below run into the limit: refused requests are seldom logged.
        probe = {"User-Agent": f"probe/1.0 {HOSTILE[2]}"}
        request_id = clients[0].get(f"/v1/users/{HOSTILE[0]}", headers=probe).headers["x-request-id"]
        changed = [
            _done(http.get("/v1/events", params={"type": type}))[-1] for type in ("user.updated", "user.created")
        ]
        groups = [_done(http.post("/v1/groups", json=fields))["id"] for fields in GROUPS]
        people = [{"user_id": user["id"], "role": HOSTILE[1]} for user in users if user not in gone]
        _done(http.post(f"/v1/groups/{groups[0]}/members", json={"members": people}))
        rules = [_done(http.post("/v1/rules", json=fields))["id"] for fields in _rules(groups[0])]
        webhooks = [_done(http.post("/v1/webhooks", json=fields)) for fields in WEBHOOKS]
        delivery = _done(http.post(f"/v1/webhooks/{webhooks[0]['id']}/test", json={"type": "user.updated"}))
        living = [user["id"] for user in users if user not in gone]
        job_id = _done(http.post("/v1/bulk-jobs", json={"action": "restore", "ids": living}))["id"]
        import_id = _import(http, users)
        # Enough that the first page of the log holds none of those, also where it shows one kind of answers only.
        for _ in range(240):
            _some_request(chance, chance.choice(clients[:3]), users)
            last = clients[3].get("/v1/users/me").headers["x-request-id"]
        deadline = time.monotonic() + 60
        while http.get(f"/v1/requests/{last}").status_code == 404:
            assert time.monotonic() < deadline, "the requests are not in the log"
            time.sleep(0.1)
    for client in clients:
        client.close()
    return Population(
        server,
        member,
        users,
        keys,
        request_id,
        [event["id"] for event in changed],
        webhooks,
        delivery,
        job_id,
        import_id,
        links,
        invited[0],
        groups,
        applications,
        rules,
    )


NO_PAGES = {
    "/": "leads elsewhere",
    "/static/{name}": "files",
    "/brand/logo": "a picture, where there is one",
    "/brand/icon": "a picture, where there is one",
    "/brand/colors.css": "a file, where there is one",
    "/docs/key": "read by a script",
    "/account/export": "a file",
    "/account/stop-email-change": "there with the link of a mail alone: tests/webhooks/test_mail_notices.py looks at it",
    "/admin/events/export": "a file",
    "/admin/users/export": "a file",
    "/admin/bulk-jobs/{id}/results": "a file",
    "/admin/bulk-jobs/{id}/live": "a part of a page, asked for by its script",
    "/admin/imports/{id}/report": "a file",
    "/admin/imports/{id}/live": "a part of a page, asked for by its script",
    "/admin/webhooks/inbox/live": "a part of a page, asked for by its script",
    "/admin/webhooks/{id}/live": "a part of a page, asked for by its script",
    "/admin/webhooks/{id}/replays/live": "a part of a page, asked for by its script",
    "/admin/webhooks/{id}/deliveries/{delivery}/live": "a part of a page, asked for by its script",
    "/account/usage/export": "a file",
    "/account/requests/live": "a part of a page, asked for by its script",
    "/admin/people": "a part of a page, asked for by its script",
    "/admin/requests/live": "a part of a page, asked for by its script",
    "/admin/server/backups": "a part of a page, asked for by its script",
    "/admin/usage/live": "a part of a page, asked for by its script",
    "/admin/usage/export": "a file",
    "/admin/users/{id}/usage/live": "a part of a page, asked for by its script",
    "/admin/users/{id}/usage/export": "a file",
    "/account/usage/live": "a part of a page, asked for by its script",
    "/account/assistants/consent": "shown where an assistant asks for it",
    "/account/sign-in/code": "leads elsewhere, unless a password was just right",
    "/account/security/app": "leads elsewhere, unless the app was just created",
    "/account/security/codes": "leads elsewhere, unless the codes were just created",
    "/account/security/codes/file": "a file",
    "/account/keys/{id}/secret": "leads elsewhere, unless the key was just created",
    "/admin/webhooks/{id}/secret": "leads elsewhere, unless the secret was just created",
    "/admin/users/{id}/keys/{key}/secret": "leads elsewhere, unless the key was just created",
    "/admin/users/{id}/link": "leads elsewhere, unless the link was just created",
    "/admin/server/mail/preview": "a mail, in which no script runs",
    "/llms.txt": "plain text",
    "/favicon.ico": "a picture",
    "/robots.txt": "plain text",
    "/.well-known/security.txt": "plain text",
    "/.well-known/change-password": "leads to the account settings",
}
"""Rows that show nothing by themselves, and why."""

FILLED: dict[str, Callable[[Population], Iterable[str]]] = {
    **{
        path: lambda population, path=path: [population.links[path]]
        for path in (
            "/account/set-password",
            "/account/invitation",
            "/account/confirm-email",
            "/account/sign-in-link",
            "/account/impersonate",
        )
    },
    "/oauth2/authorize": lambda population: [
        f"?client_id={id}&redirect_uri={REDIRECT_URL}&response_type=code&scope=openid&prompt=select_account"
        for id in population.applications
    ],
    "/account/keys/{id}": lambda population: [key["id"] for key in population.keys[:2]],
    "/account/requests/{id}": lambda population: [population.request_id],
    "/admin/requests/{id}": lambda population: [population.request_id],
    "/docs/{name}": lambda population: [name for name in guide.CHAPTERS if name != guide.LANDING],
    "/docs/errors/{code}": lambda population: ["not_found", "invalid_parameter"],
    "/admin/webhooks/{id}": lambda population: [webhook["id"] for webhook in population.webhooks],
    "/admin/webhooks/{id}/deliveries/{delivery}": lambda population: [
        f"{population.webhooks[0]['id']}/deliveries/{population.delivery['id']}"
    ],
    "/admin/applications/{id}": lambda population: population.applications,
    "/admin/events/{id}": lambda population: population.event_ids,
    "/admin/groups/{id}": lambda population: population.groups,
    "/admin/rules/{id}": lambda population: population.rules,
    "/admin/bulk-jobs/{id}": lambda population: [population.job_id],
    "/admin/imports/{id}": lambda population: [population.import_id],
    "/admin/users/{id}/keys/{key}": lambda population: [
        f"{population.keys[0]['user_id']}/keys/{population.keys[0]['id']}"
    ],
    "/admin/users/{id}/requests/{request}": lambda population: [
        f"{population.keys[0]['user_id']}/requests/{population.request_id}"
    ],
    "/admin/users/{id}/as-of": lambda population: [
        f"{population.member['id']}/as-of",
        f"{population.member['id']}/as-of?at={population.event_ids[0]}",
    ],
    "/admin/users/{id}": lambda population: [
        population.member["id"],
        population.users[-4]["id"],
        population.invited["id"],
    ],
}
"""What goes into the braces of a row, or behind a path; and into those of all rows that begin so: of these, the
first."""

ALSO: dict[str, tuple[str, ...]] = {
    "/docs/search": ("?q=limit",),
    "/admin/users": ("?q=script",),
    "/account/requests": ("?status=2xx",),
    "/account/keys": ("?show=ended",),
    "/admin/rules/new": ("?ready=trial-group",),
    "/admin/events": ("?type=user.*&type=key.created&address=127.0.0.1",),
}
"""Addresses of a row beside the plain one."""


LOOKED_AT_BY = {"/oauth2/authorize": "person", "/oauth2/logout": "person"}
"""Pages that lead whom they don't know to the sign-in page, though they are for anyone."""


def places(population: Population) -> list[Place]:
    """Every page that can be looked at, with what it shows filled in. Raises LookupError for braces that nothing goes
    into."""
    found = []
    for row in PAGES:
        if row.method == "GET" and row.path not in NO_PAGES:
            plain = _name(row.path)
            paths = [*_filled(row.path, population), *(row.path + more for more in ALSO.get(row.path, ()))]
            for number, path in enumerate(paths, 1):
                # By what is in the braces where that is a word, not an id.
                name = plain if path == row.path or any(map(str.isdigit, path)) else _name(path.partition("?")[0])
                found.append(
                    Place(
                        f"{name}-{number}" if name == plain and number > 1 else name,
                        path,
                        LOOKED_AT_BY.get(row.path, row.who),
                        row.path,
                    )
                )
    return found


def _name(path: str) -> str:
    return re.sub(r"[^a-z]+", "-", path).strip("-")


def _filled(pattern: str, population: Population) -> list[str]:
    for beginning, values in FILLED.items():
        if pattern.startswith(beginning):
            rest = pattern[len(beginning) :]
            if "{" not in rest and (not rest or rest.startswith("/")):
                found = [beginning.partition("{")[0] + value + rest for value in values(population)]
                return found[:1] if rest else found
    if "{" in pattern:
        raise LookupError(f"tests/browser/population.py must say what goes into the braces of {pattern}")
    return [pattern]


def sign_in_by_form(server: Server, email: str, password: str, browser: str = BROWSER_NAMES[0]) -> httpx2.Cookies:
    """Sign in without a browser; the cookies of the session."""
    with server.http(None) as http:
        # A form is only taken from our own pages, and this is how older browsers say so.
        headers = {"Origin": server.url, "User-Agent": browser}
        answer = http.post("/account/sign-in", data={"email": email, "password": password}, headers=headers)
        assert answer.status_code == 303, f"{answer.status_code} {answer.text}"
        return http.cookies


def _user(http: httpx2.Client, number: int, name: str) -> dict[str, Any]:
    plain = "".join(letter for letter in name.split()[0].lower() if letter.isascii() and letter.isalpha()) or "person"
    fields: dict[str, Any] = {"name": name, "email": f"{plain}.{number}@example.com", "password": PASSWORD}
    if number % 4 == 0:
        fields |= {"external_id": f"crm-{1000 + number}", "metadata": {"plan": "pro", "seats": number}}
    if number % 9 == 3:
        fields["rate_limit"] = "10/minute,100/hour"
    if name in HOSTILE:
        fields |= {"external_id": name, "metadata": {name: name}}
    if name == "Grace Hopper":
        fields["role"] = "admin"
    if number % 11 == 5:
        fields["role"] = "viewer"
    return _done(http.post("/v1/users?fields=*", json=fields))


def _rules(group_id: str) -> list[dict[str, Any]]:
    steps = [{"do": "end_sessions"}, {"do": "suspend", "after_days": 14}]
    who = {"group": group_id, "metadata": [f"{HOSTILE[0]}:{HOSTILE[0]}"]}
    return [
        {"name": "Suspend inactive members", "when": {"after": "last_active_at", "days": 0}, "who": {}, "steps": steps},
        {
            "name": "Pro customers into their group",
            "enabled": True,
            "when": {"daily": "06:00", "zone": "Europe/Berlin"},
            "who": {"metadata": ["plan:pro"]},
            "steps": [{"do": "add_to_group", "group_id": group_id}],
        },
        {"name": HOSTILE[0], "enabled": True, "when": {"event": "user.created"}, "who": who, "steps": steps},
    ]


USED = (0, 1, 3)
"""Which of the owner's keys have requests."""


def _links(http: httpx2.Client, user: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
    """One for each page, of people whose names are scripts where names are shown."""
    invited = _done(http.post("/v1/users", json={"name": HOSTILE[0], "email": "new@example.com", "status": "invited"}))
    wanted = [
        (invited, {"purpose": "invite"}),
        (user, {"purpose": "reset_password"}),
        (other, {"purpose": "change_email", "email": "other@example.com"}),
        (user, {"purpose": "sign_in"}),
        (user, {"purpose": "impersonate", "reason": HOSTILE[0][:200]}),
    ]
    urls = [urlsplit(_done(http.post(f"/v1/users/{each['id']}/tokens", json=fields))["url"]) for each, fields in wanted]
    return {url.path: f"?{url.query}" for url in urls}


WEBHOOKS: tuple[dict[str, Any], ...] = (
    {"url": "inbox"},
    {
        "url": "https://hooks.invalid/rollbook",
        "description": "Billing",
        "types": ["user.*", "key.revoked"],
        "headers": {"X-Tenant": "acme"},
    },
    {
        "url": "https://chat.invalid/services/T0/B0/secret",
        "description": HOSTILE[0],
        "format": "slack",
        "status": "paused",
    },
)
GROUPS: tuple[dict[str, Any], ...] = (
    {"name": "Engineering", "external_id": "team-7", "metadata": {"cost_center": "4711", HOSTILE[0]: HOSTILE[1]}},
    {"name": HOSTILE[0], "external_id": HOSTILE[1]},
)
SUSPENDED = (7, 22)
DELETED = (14, 21)


def _keys(http: httpx2.Client, hours: int) -> list[dict[str, Any]]:
    """The owner's keys, one in every state. The last but one is to be rotated, the last to be revoked."""
    now = time.time()
    return [
        _key(http, name="Production"),
        _key(http, name="Nightly export", scopes=["users:read", "users:export"], rate_limit="30/minute,500/hour"),
        _key(http, name="Never used", scopes=["users:read"], revealable=False),
        _key(http, name=HOSTILE[1], ip_allow=["127.0.0.0/8", "203.0.113.0/24", "2001:db8::/32"]),
        _key(http, name="Expires soon", expires_at=_text(now + 3 * 86_400)),
        _key(http, name="Expired", scopes=["users:read"], expires_at=_text(now - hours * 3600 / 2)),
        _key(http, name="Rotated"),
        _key(http, name="Revoked"),
    ]


def _import(http: httpx2.Client, users: list[dict[str, Any]]) -> str:
    """One that finds a user there, adds none, and refuses who has a name for an address."""
    lines = [{"name": user["name"], "email": user["email"]} for user in users[:1]]
    lines += [{"name": name, "email": name} for name in HOSTILE]
    body = "".join(json.dumps(each) + "\n" for each in lines)
    id = _done(http.post("/v1/imports", content=body))["id"]
    deadline = time.monotonic() + 60
    while not (found := _done(http.get(f"/v1/imports/{id}")))["finished_at"]:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return id


def _some_request(chance: random.Random, http: httpx2.Client, users: list[dict[str, Any]]) -> None:
    """Mostly good ones. What comes is as may be: a key may be refused, or over its limit."""
    user = chance.choice(users)
    kind = chance.random()
    if kind < 0.55:
        http.get(f"/v1/users/{user['id']}")
    elif kind < 0.8:
        http.get("/v1/users", params={"limit": 20, "role": "member"})
    elif kind < 0.87:
        http.patch(f"/v1/users/{user['id']}", json={"metadata": {"seen": chance.randrange(100)}})
    elif kind < 0.92:
        http.get("/v1/users/user_00000000000000000000000000")
    elif kind < 0.96:
        http.post("/v1/users", json={"name": "Nobody", "email": "not an address"})
    else:
        http.post("/v1/users", json={"name": "Somebody else", "email": user["email"], "password": PASSWORD})


def _application(http: httpx2.Client, name: str) -> str:
    body = {"name": name, "role": "viewer", "redirect_urls": [REDIRECT_URL]}
    id: str = _done(http.post("/v1/applications", json=body))["id"]
    return id


def _key(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    return _done(http.post("/v1/keys", json=fields))


def _done(answer: httpx2.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
