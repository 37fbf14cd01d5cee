"""The programs and tables of the recipes: password reset, a CRM, rate limits, narrow keys."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import socketserver
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import roles
from rollbook.actions.key_bounds import PURPOSES
from tests import postgres
from tests.factors import enrolled
from tests.harness import PLAIN, Server, free_port, new_key, new_user, running, serving
from tests.nodes.pair import wait_until
from tests.typescript_sdk import ROOT

DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
PYTHON = ROOT / ".venv-migrate" / "bin" / "python"


def program(page: str, name: str) -> str:
    """The program that the page saves under this name."""
    [text] = re.findall(
        rf"^```(?:python|js)\n(?:#|//) {re.escape(name)}\n(.*?)^```$",
        (DOCS / page).read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return text


@contextmanager
def started(command: list[str], folder: Path, server: Server, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the docs, killed at the end."""
    environment = os.environ | {
        "ROLLBOOK_URL": server.url,
        "ROLLBOOK_KEY": server.key,
        "PYTHONPATH": str(ROOT / "sdk" / "python" / "src"),
        **environment,
    }
    with (folder / "printed").open("a") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
        assert process.poll() in (None, 0), (folder / "printed").read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        yield server


# ---- password reset


class Mail(socketserver.StreamRequestHandler):
    """Accepts emails (RFC 5321), as far as smtplib sends them."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        lines: list[str] = []
        in_data = False
        for line in self.rfile:
            if in_data and line != b".\r\n":
                lines.append(line.decode())
                continue
            if in_data:
                self.server.emails.append("".join(lines))  # type: ignore[attr-defined]
            if line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            in_data = line.upper().startswith(b"DATA")
            self.wfile.write(b"354 go on\r\n" if in_data else b"250 done\r\n")


def test_a_person_resets_their_password_from_the_application_and_signs_in_there(server: Server, tmp_path: Path) -> None:
    """The programs of two recipes, side by side as the pages say."""
    shutil.copy(EXAMPLES / "password-reset" / "reset.py", tmp_path)
    shutil.copytree(EXAMPLES / "flask", tmp_path, dirs_exist_ok=True)
    port, shop_port = free_port(), free_port()
    url, shop_url = f"http://localhost:{port}", f"http://localhost:{shop_port}"
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)) as smtp, server.http() as http:
        smtp.emails = emails = []  # type: ignore[attr-defined]
        user = new_user(http, email_verified=True)
        factor = enrolled(http, user["id"])
        admin = new_user(http, role="admin")
        key = narrow_key(http, admin, "tokens.md", "Password reset")
        command = [str(PYTHON), "-m", "flask", "--app", "reset", "run", "--port", str(port)]
        urls = {"SHOP_URL": shop_url, "RESET_URL": url}
        with started(command, tmp_path, server, ROLLBOOK_KEY=key, **mail_of(smtp), **urls):
            wait_until(lambda: reaches(f"{url}/forgot-password"))

            def asks(email: str) -> str:
                return httpx2.post(f"{url}/forgot-password", data={"email": email}, timeout=60, **PLAIN).text

            assert asks("no-one@example.com") == asks(user["email"].upper())
            wait_until(lambda: emails)
            assert len(emails) == 1 and f"To: {user['email']}" in emails[0]
            page = httpx2.get(link_in(emails[0], url), timeout=60, **PLAIN)
            assert page.headers["referrer-policy"] == "no-referrer"
            token = re.findall(r'name="token" value="([^"]+)"', page.text)[0]

            def chooses(password: str, **more: str) -> httpx2.Response:
                form = {"token": token, "password": password, **more}
                return httpx2.post(f"{url}/set-password", data=form, timeout=60, **PLAIN)

            refused = chooses("password1")
            assert refused.status_code == 400 and "too common" in refused.text and token in refused.text
            asked = chooses("chosen by the person")
            assert asked.status_code == 401 and 'name="code"' in asked.text
            following = chooses("chosen by the person", code=factor.recovery_codes[0]).headers["location"]
            http.delete(f"/v1/users/{user['id']}/second-factors").raise_for_status()  # signing in is another recipe
            assert chooses("chosen by another").status_code == 400
        assert following == f"{shop_url}/sign-in"
        application = http.post("/v1/applications", json={"name": "Shop", "role": "admin"}).json()
        shop_key = new_key(http, user_id=application["id"], scopes=[*PURPOSES["sign-in"].scopes])
        shop = [str(PYTHON), "-m", "flask", "run", "--port", str(shop_port)]
        with started(shop, tmp_path, server, ROLLBOOK_KEY=shop_key, SHOP_URL=shop_url):
            wait_until(lambda: reaches(f"{shop_url}/sign-in"))
            page = httpx2.get(following, timeout=60, **PLAIN)
            assert page.status_code == 200
            [path, fields] = re.findall(r'<form method="post" action="(/sign-in)">(.*?)</form>', page.text, re.DOTALL)[
                0
            ]
            assert set(re.findall(r'name="(\w+)"', fields)) == {"email", "password"}
            body = {"email": user["email"], "password": "chosen by the person"}
            signed_in = httpx2.post(shop_url + path, data=body, timeout=60, **PLAIN)
            assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
            cookie = signed_in.headers["set-cookie"].partition(";")[0]
            assert (
                f"Hello, {user['name']}"
                in httpx2.get(f"{shop_url}/", headers={"Cookie": cookie}, timeout=60, **PLAIN).text
            )
        # The same key can't do this to an admin.
        with server.http(key) as narrow:
            path = f"/v1/users/{new_user(http, role='admin')['id']}/tokens"
            assert narrow.post(path, json={"purpose": "reset_password"}).status_code == 403


def narrow_key(http: httpx2.Client, admin: dict[str, Any], page: str, section: str) -> str:
    """A key of this user with the scopes that the page says."""
    text = (DOCS / page).read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    [sentence] = re.findall(r"(?:The|Its) key (?:has|needs) the\s+scopes ([^.]+)\.", text)
    scopes = re.findall("`(.+?)`", sentence)
    return new_key(http, user_id=admin["id"], scopes=scopes)


def mail_of(smtp: Any) -> dict[str, str]:
    return {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(smtp.server_address[1])}


def link_in(email: str, url: str) -> str:
    """The link to the application in an email, in quoted-printable or not."""
    [link] = re.findall(rf"{re.escape(url)}/\S+token=\S+", email.replace("=\r\n", "").replace("=3D", "="))
    return str(link)


def test_people_confirm_their_email_and_change_it(server: Server, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "email-confirmation" / "confirm.py", tmp_path)
    # As for somebody who is signed in, which is another recipe.
    (tmp_path / "with_change.py").write_text(
        "from flask import request\nfrom confirm import app, change_email\n\n\n"
        '@app.post("/email")\ndef email():\n    change_email(request.form["id"], request.form["email"])\n    return ""\n'
    )
    port = free_port()
    url = f"http://localhost:{port}"
    command = [str(PYTHON), "-m", "flask", "--app", "with_change", "run", "--port", str(port)]
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)) as smtp, server.http() as http:
        smtp.emails = emails = []  # type: ignore[attr-defined]
        key = narrow_key(http, new_user(http, role="admin"), "tokens.md", "Email confirmation")
        with started(command, tmp_path, server, ROLLBOOK_KEY=key, SHOP_URL=url, **mail_of(smtp)):
            wait_until(lambda: reaches(url))

            def send(path: str, **form: str) -> httpx2.Response:
                return httpx2.post(url + path, data=form, timeout=60, **PLAIN)

            def confirm(number: int) -> httpx2.Response:
                page = httpx2.get(link_in(emails[number], url), timeout=60, **PLAIN).text
                return send("/confirm", token=re.findall(r'name="token" value="([^"]+)"', page)[0])

            def state() -> tuple[str, bool]:
                found = http.get(f"/v1/users/{user['id']}").json()
                return found["email"], found["email_verified"]

            form = {"name": "Dora", "email": "dora@example.com", "password": "a few random words"}
            assert send("/sign-up", **form).status_code == 200
            assert send("/sign-up", **form).status_code == 400, "the email is taken"
            [user] = http.get("/v1/users?email=dora@example.com").json()
            assert state() == ("dora@example.com", False) and len(emails) == 1
            assert "dora@example.com is confirmed" in confirm(0).text
            assert state() == ("dora@example.com", True)
            assert confirm(0).status_code == 400, "once"
            assert send("/email", id=user["id"], email="dora@new.example.com").status_code == 200
            assert "To: dora@new.example.com" in emails[1] and state() == ("dora@example.com", True)
            assert "dora@new.example.com is confirmed" in confirm(1).text
            assert state() == ("dora@new.example.com", True)


def reaches(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=60, **PLAIN).status_code == 200
    except httpx2.TransportError:
        return False


# ---- a CRM


@contextmanager
def fake_crm() -> Iterator[tuple[str, dict[str, Any]]]:
    """Contacts by ID, over HTTP. Every third call finds it away or over its limit."""
    contacts: dict[str, Any] = {}
    calls = 0

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            nonlocal calls
            calls += 1
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            id = self.path.rpartition("/")[2]
            status = 200
            if self.headers["Authorization"] != "Bearer crm-key":
                status = 401
            elif calls % 3 == 0:
                status = 429 if calls % 2 else 503
            elif self.command == "PUT":
                contacts[id] = json.loads(body)
            else:
                status = 404 if contacts.pop(id, None) is None else 204
            self.send_response(status)
            if status in (429, 503):
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as crm:
        yield f"http://127.0.0.1:{crm.server_port}", contacts


def test_a_crm_has_every_user_whoever_was_away(server: Server, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "crm" / "sync.py", tmp_path)

    def directory() -> dict[str, Any]:
        users = http.get("/v1/users?fields=*&limit=1000").json()
        return {
            user["id"]: {
                "name": user["name"],
                "email": user["email"],
                "active": user["status"] == "active",
                "plan": user["metadata"].get("plan", "free"),
            }
            for user in users
        }

    command = [sys.executable, "sync.py"]
    with fake_crm() as (url, contacts), server.http() as http:
        viewer = new_user(http, role="viewer")
        key = new_key(http, user_id=viewer["id"], scopes=["users:read", "events:read"])
        environment = {"ROLLBOOK_KEY": key, "CRM_URL": url, "CRM_KEY": "crm-key"}
        first, second, third = (new_user(http) for _ in range(3))
        with started(command, tmp_path, server, **environment):
            wait_until(lambda: contacts == directory())
            http.patch(f"/v1/users/{first['id']}", json={"name": "Renamed", "metadata": {"plan": "pro"}})
            http.post(f"/v1/users/{second['id']}/suspend")
            http.delete(f"/v1/users/{third['id']}")
            wait_until(lambda: contacts == directory())
        assert (
            contacts[first["id"]]["plan"] == "pro"
            and not contacts[second["id"]]["active"]
            and third["id"] not in contacts
        )
        new_user(http)
        http.delete(f"/v1/users/{second['id']}?purge=true")
        with started(command, tmp_path, server, **environment):
            wait_until(lambda: contacts == directory())


# ---- rate limits


def test_the_programs_of_the_guide_stay_within_the_limit_and_retry(server: Server, tmp_path: Path) -> None:
    """Both at once, with one limit, of which neither knows what the other uses."""
    with server.http() as http:
        reader = new_user(http, role="viewer", rate_limit="20/second")
        users = [new_user(http) for _ in range(30)]
        key = new_key(http, user_id=reader["id"], scopes=["users:read"])
        running_programs = []
        texts = {name: (EXAMPLES / "limits" / name).read_text() for name in ("paced.py", "paced.mjs")}
        for name, command in (("paced.py", sys.executable), ("paced.mjs", "node")):
            folder = tmp_path / name
            folder.mkdir()
            (folder / name).write_text(texts[name].replace("http://127.0.0.1:8000", server.url))
            running_programs.append(
                subprocess.Popen(
                    [command, name],
                    cwd=folder,
                    env=os.environ | {"ROLLBOOK_KEY": key},
                    text=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
        for process in running_programs:
            printed, _ = process.communicate(timeout=200)
            assert process.returncode == 0, printed
            assert {user["email"] for user in users} <= set(printed.split())


# ---- narrow keys


def test_every_job_of_the_table_can_be_done_with_its_role_and_scopes(server: Server) -> None:
    rows = re.findall(
        r"^\| ([A-Z][^|]*) \| `(\w+)` \| ((?:`[\w:]+` ?)+) \|$", (DOCS / "keys.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 8
    with server.http() as http:
        for job, role, listed in rows:
            scopes = re.findall(r"[\w:]+", listed)
            assert set(scopes) <= roles.grantable(role), job
            user = new_user(http, role=role)
            key = new_key(http, user_id=user["id"], scopes=scopes)
            other = new_user(http)
            with server.http(key) as narrow:
                calls = {
                    "users:read": narrow.get(f"/v1/users/{other['id']}"),
                    "events:read": narrow.get("/v1/events"),
                    "users:write": narrow.patch(f"/v1/users/{other['id']}", json={"name": "Changed"}),
                    "users:grant": narrow.patch(f"/v1/users/{other['id']}", json={"role": "viewer"}),
                    "users:verify": narrow.post(
                        "/v1/users/verify-password", json={"email": other["email"], "password": other["password"]}
                    ),
                    "users:export": narrow.get("/v1/exports"),
                    "metrics:read": narrow.get("/metrics"),
                    "webhooks:read": narrow.get("/v1/webhooks"),
                    "users:delete": narrow.delete(f"/v1/users/{other['id']}"),
                }
            for scope, answer in calls.items():
                assert (answer.status_code < 300) == (scope in scopes), (
                    f"{job}: {scope}: {answer.status_code} {answer.text}"
                )


# ---- n8n

# Does what a workflow's HTTP Request nodes describe: expressions are JavaScript, in a text that begins with "=".
N8N = """
const { nodes, input, key } = JSON.parse(process.argv[1]);
let items = [input];
for (const { type, parameters: p } of nodes) {
  if (type !== "n8n-nodes-base.httpRequest") continue;
  const $json = items[0];
  const run = (code) => new Function("$json", `return (${code})`)($json);
  const value = (text) => {
    if (!text.startsWith("=")) return text;
    const whole = /^=\\{\\{(.*)\\}\\}$/s.exec(text);
    return whole ? run(whole[1]) : text.slice(1).replace(/\\{\\{(.*?)\\}\\}/g, (_, code) => run(code));
  };
  const pairs = (list) => (list?.parameters ?? []).map(({ name, value: text }) => [name, value(text)]);
  const query = new URLSearchParams(p.sendQuery ? pairs(p.queryParameters) : []);
  const headers = { Authorization: `Bearer ${key}`, ...Object.fromEntries(p.sendHeaders ? pairs(p.headerParameters) : []) };
  if (p.sendBody) headers["Content-Type"] = "application/json";
  const url = value(p.url) + (query.size ? `?${query}` : "");
  const answer = await fetch(url, { method: p.method ?? "GET", headers, body: p.sendBody ? value(p.jsonBody) : undefined });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  items = [await answer.json()].flat();
}
console.log(JSON.stringify(items));
"""


def test_the_requests_of_the_n8n_workflows_do_what_the_page_says(tmp_path: Path) -> None:
    page = (DOCS / "integrations.md").read_text()
    workflows = event_workflow, create_workflow, list_workflow = [
        json.loads((EXAMPLES / "n8n" / f"{name}.json").read_text())
        for name in ("when-someone-signs-up", "create-a-user", "new-users-every-morning")
    ]
    for workflow in workflows:
        names = {node["name"] for node in workflow["nodes"]}
        for name, outputs in workflow["connections"].items():
            assert {name, *(each["node"] for output in outputs["main"] for each in output)} <= names
    [hook] = re.findall(r"--json '(\{\"url\".*\})'", page)
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with (
        running(tmp_path / "data", "--rate-limit", "none", "--webhook-allow", "127.0.0.0/8") as server,
        server.http() as http,
        serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as n8n,
    ):
        scopes = re.findall(r"--scopes (\S+)", page)[0].split(",")
        key = new_key(http, user_id=new_user(http, role="admin")["id"], scopes=scopes)

        def run(workflow: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
            nodes = json.loads(json.dumps(workflow["nodes"]).replace("http://127.0.0.1:8000", server.url))
            command = [
                "node",
                "--input-type=module",
                "-e",
                N8N,
                json.dumps({"nodes": nodes, "input": item, "key": key}),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        [path] = [node["parameters"]["path"] for node in event_workflow["nodes"] if node["type"].endswith(".webhook")]
        asked = json.loads(hook)
        asked["url"] = f"http://127.0.0.1:{n8n.server_address[1]}/webhook/{path}"
        assert http.post("/v1/webhooks", json=asked).status_code == 201
        record = {"id": 1042, "name": "Ada", "email": "ada@example.com", "password": "a few random words"}
        [created], [again] = run(create_workflow, record), run(create_workflow, record)
        assert created == again and created["email"] == "ada@example.com"
        wait_until(lambda: received)
        headers, body = received[0]
        assert headers["X-Rollbook-Token"] == asked["headers"]["X-Rollbook-Token"]
        [found] = run(event_workflow, {"headers": headers, "body": json.loads(body)})
        assert (found["id"], found["external_id"]) == (created["id"], "1042")
        assert created["id"] in {user["id"] for user in run(list_workflow, {})}
        n8n.shutdown()


# ---- imports


def test_a_file_is_sent_with_curl_as_the_page_says(server: Server, tmp_path: Path) -> None:
    page = (DOCS / "import.md").read_text()
    command, *_ = re.findall(r"^```console\n(curl .*?)^```$", page, re.DOTALL | re.MULTILINE)
    email = "by-curl@example.com"
    (tmp_path / "people.ndjson.gz").write_bytes(gzip.compress(json.dumps({"name": "Ann", "email": email}).encode()))
    command = command.replace("https://users.example.com", server.url)
    environment = os.environ | {"ROLLBOOK_KEY": server.key}
    done = subprocess.run(["bash", "-ec", command], env=environment, cwd=tmp_path, capture_output=True, timeout=100)
    id = json.loads(done.stdout)["id"]
    with server.http() as http:
        wait_until(lambda: http.get(f"/v1/imports/{id}").json()["status"] == "finished")
        assert http.get(f"/v1/imports/{id}").json()["added"] == 1
        assert [user["email"] for user in http.get("/v1/users", params={"email": email}).json()] == [email]


TABLES = {
    "migrate.md": "name,E-mail,Plan,Age\nAnn,ann.csv@example.com,pro,33\n",
    "import.md": "name,email\nBob,bob.csv@example.com\n",
}


@pytest.mark.parametrize("page", TABLES)
def test_a_table_is_imported_by_the_commands_of_the_page(page: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(TABLES[page])
    environment = os.environ | {"ROLLBOOK_URL": server.url, "ROLLBOOK_KEY": server.key}
    said = []
    for line in re.findall(r"^rollbook users import people.csv.*$", (DOCS / page).read_text(), re.MULTILINE):
        command = [sys.executable, "-m", "rollbook.cli.main", *shlex.split(line)[1:]]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    # The first command is a dry run; what follows the import finds the user there.
    assert [each for each in said if each.splitlines()[-1].startswith("1 user added, 0 records refused")]
    assert all(column in said[0] for column in ("name", "email")) and "kept as name" in said[0]


# ---- backups


def test_a_backup_is_restored_as_the_page_says(tmp_path: Path) -> None:
    """Its commands, with folders of the test, and the server stopped and started where it says so."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", (DOCS / "backups.md").read_text(), re.DOTALL | re.MULTILINE)
    serve, back_up, replace, check, practice, *_ = [block for block in blocks if "litestream" not in block]
    data, backups, drill = tmp_path / "data", tmp_path / "backup", tmp_path / "drill"
    backups.mkdir()
    flags = re.search(r"serve (.*) --backup-folder", serve)
    assert flags is not None

    def shell(block: str) -> str:
        for place, here in (("/var/lib/rollbook", data), ("/backup", backups), ("/tmp/drill", drill)):
            block = block.replace(place, str(here))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
        done = subprocess.run(
            ["bash", "-ec", block],
            env=environment | {"PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with running(data, *flags[1].split(), "--backup-folder", str(backups / "daily")) as server, server.http() as http:
        kept = new_user(http)
        shell(back_up)
        lost = new_user(http)
        wait_until(lambda: list((backups / "daily").glob("*.db")))
        server.stop()
        shell(replace)
        shell(check)
        server.start()
        assert http.get(f"/v1/users/{kept['id']}").status_code == 200
        assert http.get(f"/v1/users/{lost['id']}").status_code == 404
        assert kept["email"] in shell(practice) and not drill.exists()


def test_a_dump_of_postgresql_is_restored_as_the_page_says(tmp_path: Path) -> None:
    """Its commands, on a PostgreSQL of this machine in place of db.example.com."""
    section = (DOCS / "backups.md").read_text().partition("## PostgreSQL")[2].partition("\n## ")[0]
    dump, restore = re.findall(r"^```console\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    cluster = postgres.shared()
    name, restored = (postgres.new_database(prefix).rpartition("/")[2] for prefix in ("rollbook", "restored"))
    cluster.ask(f'DROP DATABASE "{restored}"')  # the page creates it

    def shell(block: str) -> None:
        block = block.replace("db.example.com", f"127.0.0.1:{cluster.port}").replace("/rollbook\n", f"/{name}\n")
        block = re.sub(r"\brestored\b", restored, block).replace(
            "PGSSLMODE=verify-full PGSSLROOTCERT=system", "PGSSLMODE=disable"
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        path = f"{postgres.programs()}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", block],
            env=environment | {"PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    data = tmp_path / "data"
    with running(data, environment={"ROLLBOOK_DATABASE": cluster.url(name)}) as server, server.http() as http:
        kept = [new_user(http, metadata={"plan": "pro"}), new_user(http)]
        assert http.patch(f"/v1/users/{kept[0]['id']}", json={"name": "Olivia"}).status_code == 200
        shell(dump)
        lost = new_user(http)
        events = [event["id"] for event in http.get("/v1/events", params={"order": "asc"}).json()][:-1]
    shell(restore)
    settings = {"ROLLBOOK_DATABASE": cluster.url(restored)}
    with running(data, environment=settings, owner_key=server.key) as server, server.http() as http:
        assert http.get(f"/v1/users/{kept[0]['id']}").json()["name"] == "Olivia"
        assert http.get(f"/v1/users/{lost['id']}").status_code == 404
        assert http.get("/v1/users/count", params={"metadata": "plan:pro"}).json() == {"count": 1}
        assert [event["id"] for event in http.get("/v1/events", params={"order": "asc"}).json()][
            : len(events)
        ] == events
        new_user(http, email=lost["email"])
