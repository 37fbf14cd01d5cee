"""The applications of the guide "Sign your users in" sign people up, in and out, and end sessions when Rollbook says
so."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import typescript_sdk
from tests.harness import PLAIN, Server, free_port, new_user, running
from tests.nodes.pair import wait_until
from tests.typescript_sdk import ROOT

PAGE = (ROOT / "docs" / "sign-in.md").read_text()
FILES = dict(re.findall(r"^```(?:python|js)\n(?:#|//) (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
PYTHON = ROOT / ".venv-migrate" / "bin" / "python"

# What `next start` does for route handlers, as far as these need it: cookies() is bound to the request, and sets
# Set-Cookie.
NEXT_HEADERS = """
import { AsyncLocalStorage } from "node:async_hooks";
export const jar = new AsyncLocalStorage();
export const cookies = async () => jar.getStore();
"""
NEXT_SERVER = """
import { createServer } from "node:http";
import { jar } from "next/headers";
const routes = Object.fromEntries(await Promise.all(
  ["api/users", "api/session", "rollbook"].map(async (path) => [`/${path}`, await import(`./app/${path}/route.js`)])));
createServer(async (incoming, outgoing) => {
  const body = [];
  for await (const chunk of incoming) body.push(chunk);
  const headers = { ...incoming.headers, "x-forwarded-for": `192.0.2.66, ${incoming.socket.remoteAddress}` };
  const init = incoming.method === "GET" ? { headers } : { headers, method: incoming.method, body: Buffer.concat(body) };
  const sent = Object.fromEntries((headers.cookie ?? "").split("; ").filter(Boolean).map((each) => each.split(/=(.*)/s)));
  const set = [];
  const store = {
    get: (name) => (name in sent ? { name, value: sent[name] } : undefined),
    set: (name, value, { maxAge, path = "/", httpOnly, secure, sameSite } = {}) => {
      sent[name] = value;
      set.push(`${name}=${value}; Path=${path}; Max-Age=${maxAge}${httpOnly ? "; HttpOnly" : ""}${secure ? "; Secure" : ""}; SameSite=${sameSite}`);
    },
  };
  const handler = routes[incoming.url]?.[incoming.method] ?? (() => new Response(null, { status: 404 }));
  const answer = await jar.run(store, () => handler(new Request(`http://localhost${incoming.url}`, init)));
  outgoing.writeHead(answer.status, [...answer.headers, ...set.map((line) => ["set-cookie", line])].flat());
  outgoing.end(Buffer.from(await answer.arrayBuffer()));
}).listen(3000, "127.0.0.1");
"""


class Application:
    """An application of the page, as one browser of it sees it. JSON, but for Flask's forms."""

    def __init__(self, url: str, forms: bool, prefix: str) -> None:
        self.url, self.forms, self.prefix = url, forms, prefix
        self.cookie = ""

    def call(self, method: str, path: str, form: str, fields: dict[str, str] | None = None) -> httpx2.Response:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if self.forms:
            answer = httpx2.request(
                "GET" if form == "/" else "POST", self.url + form, data=fields, headers=headers, timeout=60, **PLAIN
            )
        else:
            path = self.prefix + path
            answer = httpx2.request(method, self.url + path, json=fields, headers=headers, timeout=60, **PLAIN)
        for line in answer.headers.get_list("set-cookie"):
            value, _, attributes = line.partition(";")
            assert {"httponly", "secure", "samesite=lax"} <= set(attributes.lower().replace(" ", "").split(";")), line
            self.cookie = value
        return answer

    def sign_up(self, name: str, email: str, password: str) -> httpx2.Response:
        return self.call("POST", "/users", "/sign-up", {"name": name, "email": email, "password": password})

    def sign_in(self, email: str, password: str) -> httpx2.Response:
        return self.call("POST", "/session", "/sign-in", {"email": email, "password": password})

    def sign_out(self) -> None:
        assert self.call("DELETE", "/session", "/sign-out").status_code in (204, 303)

    def change_password(self, current: str, new: str) -> int:
        path = "/session" if self.prefix else "/password"
        return self.call("PUT", path, "/password", {"current": current, "new": new}).status_code

    def who(self) -> str | None:
        answer = self.call("GET", "/session", "/")
        if self.forms:
            found = re.search("<p>Hello, (.*)</p>", answer.text)
            return found[1] if found else None
        return answer.json()["name"] if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--webhook-allow", "127.0.0.0/8", "--rate-limit", "none", "--attempts-limit", "3/minute")
    with running(tmp_path_factory.mktemp("server") / "data", *flags) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    """With the scopes that the page gives it."""
    with server.http() as http:
        user = new_user(http, role="admin")
        [scopes] = re.findall(r"--scopes (\S+)", PAGE)
        return http.post(
            "/v1/keys", json={"name": "sign-in", "user_id": user["id"], "scopes": scopes.split(",")}
        ).json()["key"]


def flask(folder: Path, port: int) -> list[str]:
    (folder / "app.py").write_text(FILES["app.py"])
    return [str(PYTHON), "-m", "flask", "run", "--port", str(port)]


def fastapi(folder: Path, port: int) -> list[str]:
    (folder / "main.py").write_text(FILES["main.py"])
    return [str(PYTHON), "-m", "uvicorn", "main:app", "--port", str(port), "--log-level", "warning"]


def express(folder: Path, port: int) -> list[str]:
    node_modules(folder)
    (folder / "app.mjs").write_text(FILES["app.mjs"].replace("3000", str(port)))
    return ["node", "app.mjs"]


def next_js(folder: Path, port: int) -> list[str]:
    """Next itself is not run, since it takes 20 s to install and build: a server with its conventions calls the route
    handlers."""
    node_modules(folder)
    (folder / "package.json").write_text('{"type": "module"}')
    stub = folder / "node_modules" / "next"
    stub.mkdir()
    (stub / "package.json").write_text('{"name": "next", "type": "module", "exports": {"./headers": "./headers.js"}}')
    (stub / "headers.js").write_text(NEXT_HEADERS)
    for name in ("lib/session.js", "app/api/users/route.js", "app/api/session/route.js", "app/rollbook/route.js"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(FILES[name])
    (folder / "server.mjs").write_text(NEXT_SERVER.replace("3000", str(port)))
    return ["node", "server.mjs"]


def node_modules(folder: Path) -> None:
    modules = folder / "node_modules"
    (modules / "@rollbook").mkdir(parents=True)
    (modules / "@rollbook" / "client").symlink_to(typescript_sdk.built())
    for name in ("express", "iron-session"):
        (modules / name).symlink_to(ROOT / "node_modules" / name)


FRAMEWORKS = {"flask": flask, "fastapi": fastapi, "express": express, "next": next_js}


@contextmanager
def application(framework: str, folder: Path, server: Server, key: str, http: httpx2.Client) -> Iterator[Application]:
    """The application, listening, with its webhook."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    types = re.findall(r'"types": (\[.*?\])', PAGE)[0]
    hook = http.post("/v1/webhooks", content=f'{{"url": "{url}/rollbook", "types": {types}}}').json()
    environment = os.environ | {
        "ROLLBOOK_URL": server.url,
        "ROLLBOOK_KEY": key,
        "WEBHOOK_SECRET": hook["secret"],
        "SESSION_SECRET": "0123456789abcdef" * 4,
        "PYTHONPATH": str(ROOT / "sdk" / "python" / "src"),
    }
    printed = folder / "printed"
    with printed.open("w") as output:
        command = FRAMEWORKS[framework](folder, port)
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        found = Application(url, framework == "flask", "/api" if framework == "next" else "")

        def listens() -> bool:
            assert process.poll() is None, printed.read_text()
            try:
                return httpx2.get(url, **PLAIN).status_code > 0
            except httpx2.TransportError:
                return False

        wait_until(listens)
        yield found
    finally:
        process.kill()
        process.wait()
        http.delete(f"/v1/webhooks/{hook['id']}")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_application_of_the_guide_signs_its_users_in(
    framework: str, server: Server, key: str, tmp_path: Path
) -> None:
    email, first, second = f"{framework}@example.com", "the first passphrase", "the second passphrase"
    with server.http() as http, application(framework, tmp_path, server, key, http) as here:
        assert here.who() is None
        assert here.sign_up("Ada", email, "short").status_code == 400
        assert here.sign_up("Ada", email, first).status_code in (201, 303)
        assert here.who() == "Ada"
        taken = Application(here.url, here.forms, here.prefix)
        assert (answer := taken.sign_up("Eve", email, second)).status_code == 400
        assert "Email address is already in use." in answer.text
        here.sign_out()
        assert here.who() is None and taken.who() is None

        assert (answer := here.sign_in(email, "wrong password")).status_code == 401
        assert "The email or password is incorrect." in answer.text
        assert here.sign_in(email, first).status_code in (200, 303)
        elsewhere = Application(here.url, here.forms, here.prefix)
        elsewhere.sign_in(email, first)
        assert here.who() == elsewhere.who() == "Ada"
        id = http.get("/v1/users", params={"email": email}).json()[0]["id"]

        assert here.change_password("wrong password", second) == 401
        assert elsewhere.who() == "Ada"
        assert here.change_password(first, second) in (200, 204)
        assert here.who() is None
        wait_until(lambda: elsewhere.who() is None)
        assert elsewhere.sign_in(email, first).status_code == 401
        assert elsewhere.sign_in(email, second).status_code in (200, 303)

        http.patch(f"/v1/users/{id}", json={"name": "Countess"})
        wait_until(lambda: elsewhere.who() == "Countess")

        http.post(f"/v1/users/{id}/suspend")
        wait_until(lambda: elsewhere.who() is None)
        assert elsewhere.sign_in(email, second).status_code == 403
        http.post(f"/v1/users/{id}/activate")
        assert locks(elsewhere, email, second) == 429
        verified = http.get("/v1/events", params={"user": id, "type": "user.signed_in"}).json()
        assert {event["actor"]["address"] for event in verified} == {"127.0.0.1"}
        assert httpx2.post(f"{here.url}/rollbook", json={"user_id": id}, **PLAIN).status_code == 400


def locks(application: Application, email: str, password: str) -> Any:
    """What the right password gets after as many wrong ones as are allowed."""
    for _ in range(3):
        application.sign_in(email, "wrong password")
    answer = application.sign_in(email, password)
    assert re.search(r"Too many attempts. Try again in \d+ seconds", answer.text), answer.text
    return answer.status_code


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_password_is_changed_only_by_the_person_whose_current_one_was_checked(
    framework: str, server: Server, key: str, tmp_path: Path
) -> None:
    """A person gets another email, and someone else signs up with the old one: with a session of the first, the second
    can't set the password of the first. Not even before the webhook was called."""
    old, new = f"old.{framework}@example.com", f"new.{framework}@example.com"
    first, second, third = "the first passphrase", "the second passphrase", "the third passphrase"
    with server.http() as http, application(framework, tmp_path, server, key, http) as here:
        here.sign_up("Victim", old, first)
        stolen = here.cookie
        id = http.get("/v1/users", params={"email": old}).json()[0]["id"]
        [hook] = [hook for hook in http.get("/v1/webhooks").json() if hook["url"].startswith(here.url)]
        http.post(f"/v1/webhooks/{hook['id']}/pause")
        http.patch(f"/v1/users/{id}", json={"email": new, "name": "Moved"})
        attacker = Application(here.url, here.forms, here.prefix)
        assert attacker.sign_up("Attacker", old, second).status_code in (201, 303)
        attacker.cookie = stolen
        assert attacker.change_password(second, third) == 401
        assert here.sign_in(new, third).status_code == 401 and here.sign_in(new, first).status_code in (200, 303)

        # With the webhook, the session has the new email, and the person can use it.
        http.post(f"/v1/webhooks/{hook['id']}/resume")
        here.cookie = stolen
        wait_until(lambda: here.who() == "Moved")
        assert here.change_password(second, third) == 401 and here.change_password(first, third) in (200, 204)
        assert here.sign_in(new, third).status_code in (200, 303)
