"""Clients and programs of others that people sign in to with their account here: as their makers publish them, with the
configuration that `rollbook apps create` prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser, expect

from tests import postgres
from tests.browser import chromium
from tests.certificates import Certified, certified
from tests.contract.test_assistants import Publisher
from tests.harness import Server, free_port, serving
from tests.integrations.people import Person, people
from tests.integrations.programs import HOSTS, ROOT, environment, started
from tests.nodes.pair import WIDE, Pair, wait_until
from tests.relying import application
from tests.valkey import ValkeyServer

OPENID = HOSTS / "openid"
PROGRAMS = ROOT / ".venv-connect" / "bin"
NODE = shutil.which("node") or "node"
FLAGS = (
    *WIDE,
    *("--page-limit", "none", "--attempts-limit", "none", "--address-attempts-limit", "none"),
    *("--webhook-allow", "127.0.0.0/8"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificate"), "127.0.0.1")


def named(*servers: Server) -> tuple[Server, ...]:
    """These servers by a name, under which browsers have passkeys."""
    for server in servers:
        server.url = f"http://localhost:{server.port}"
        server.environment["ROLLBOOK_PUBLIC_URL"] = servers[0].url
    return servers


@pytest.fixture(scope="module")
def server(files: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    trusted = {"SSL_CERT_FILE": str(files.authority)}
    (server,) = named(Server(tmp_path_factory.mktemp("server") / "data", *FLAGS, environment=trusted))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def nodes(valkey: ValkeyServer, tmp_path: Path) -> Iterator[tuple[Server, ...]]:
    environment = {"ROLLBOOK_LIMITS": valkey.url, "ROLLBOOK_CLOCK_FILE": ""}
    with ThreadPoolExecutor() as apart:  # in this thread, playwright's event loop is running
        database = apart.submit(postgres.migrated_database).result()
    pair = Pair(tmp_path, database, *FLAGS, environment=environment)
    named(*pair.both)
    try:
        yield pair.start().both
        pair.check_logs()
    finally:
        pair.stop()


@contextmanager
def beginning(command: Sequence[str | Path], log: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that a person has started: it opens no browser by itself."""
    kept = environment(BROWSER="true", HOME=str(log.parent), **more)
    with (
        log.open("wb") as said,
        subprocess.Popen(command, cwd=log.parent, env=kept, stdin=subprocess.PIPE, stdout=said, stderr=said) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def found(pattern: str, log: Path) -> str:
    """The first text like this that a program prints."""
    wait_until(lambda: re.search(pattern, log.read_text()))
    return re.findall(pattern, log.read_text())[0]


LEADS_TO = r"http\S+/oauth2/authorize\?[^\s'\"]+"


@pytest.mark.parametrize("engine", ["server", "nodes"])
def test_openid_client_signs_people_in_and_out(
    engine: str, request: pytest.FixtureRequest, browser: Browser, tmp_path: Path
) -> None:
    both = request.getfixturevalue(engine)
    servers: tuple[Server, ...] = both if engine == "nodes" else (both,)
    server, port = servers[0], free_port()
    url = f"http://localhost:{port}"
    back = {"redirect_urls": [f"{url}/callback"], "post_logout_redirect_urls": [f"{url}/left"]}
    with server.http() as http, application(server, http, **back) as app:
        about = {"ISSUER": server.url, "CLIENT_ID": app.id, "CLIENT_SECRET": app.secret, "PORT": str(port)}
        about["NODES"] = " ".join(node.url for node in servers)
        with started([NODE, OPENID / "web.mjs"], OPENID, tmp_path / "log", f"{url}/health", **about):
            for person in people(browser, server, http):
                page = person.page
                page.goto(url)
                person.sign_in()
                page.wait_for_url(f"{url}/callback?*")
                told = json.loads(page.inner_text("body"))
                assert told["claims"]["amr"] == person.methods, told
                assert told["userinfo"]["email"] == told["claims"]["email"] == person.user["email"]
                page.goto(f"{url}/{'revoke' if person.name == 'code' else 'sign-out'}")
                page.wait_for_url(f"{url}/left")
                assert json.loads(page.inner_text("body")) == {"userinfo": 401, "refresh": "invalid_grant"}


def test_appauth_signs_in_to_a_native_application(server: Server, browser: Browser, tmp_path: Path) -> None:
    with server.http() as http, application(server, http, True, redirect_urls=["http://127.0.0.1/"]) as app:
        for person in people(browser, server, http):
            port, log = free_port(), tmp_path / person.name
            about = {"ISSUER": server.url, "CLIENT_ID": app.id, "PORT": str(port)}
            with beginning([NODE, OPENID / "native.mjs"], log, **about):
                person.page.goto(found(LEADS_TO, log))
                person.sign_in()
                person.page.wait_for_url(f"http://127.0.0.1:{port}/?*")
                told = json.loads(found(r'\{"idToken".+\}', log))
            claims = jwt.decode(told["idToken"], options={"verify_signature": False})
            assert claims["amr"] == person.methods and claims["aud"] == app.id
            assert told["userinfo"]["email"] == person.user["email"]
            assert told["after"] == "Bad Request"


def created(server: Server, program: str, redirect_url: str) -> str:
    """The configuration that a new user gets for a program."""
    command = ("apps", "create", program, "--redirect-url", redirect_url, "--for", program, "--json")
    return json.loads(server.rollbook(*command, "--data", str(server.data)).stdout)["configuration"]


HUB = """
c.JupyterHub.bind_url = "{url}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
"""


def test_people_sign_in_to_jupyterhub(server: Server, browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    proxy = OPENID / "node_modules" / ".bin" / "configurable-http-proxy"
    more = HUB.format(url=url, hub_port=free_port(), proxy_port=free_port(), proxy=proxy)
    (tmp_path / "jupyterhub_config.py").write_text(created(server, "jupyterhub", f"{url}/hub/oauth_callback") + more)
    command = [PROGRAMS / "jupyterhub", "-f", tmp_path / "jupyterhub_config.py"]
    with server.http() as http, started(command, tmp_path, tmp_path / "log", f"{url}/hub/health"):
        for person in people(browser, server, http):
            page = person.page
            page.goto(f"{url}/hub/home")
            page.get_by_role("button", name="Sign in with Rollbook").click()
            person.sign_in()
            page.wait_for_url(f"{url}/hub/home")
            expect(page.locator("body")).to_contain_text(person.user["email"])


PGADMIN = """
DATA_DIR = "{folder}/data"
LOG_FILE = "{folder}/log"
SQLITE_PATH = "{folder}/data/pgadmin4.db"
SESSION_DB_PATH = "{folder}/data/sessions"
STORAGE_DIR = "{folder}/data/storage"
DEFAULT_SERVER_PORT = {port}
UPGRADE_CHECK_ENABLED = False
SHOW_GRAVATAR_IMAGE = False
"""


def test_people_sign_in_to_pgadmin(server: Server, browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    more = PGADMIN.format(folder=tmp_path, port=port)
    (tmp_path / "config_local.py").write_text(created(server, "pgadmin", f"{url}/oauth2/authorize") + more)
    first = {"PGADMIN_SETUP_EMAIL": "owner@example.com", "PGADMIN_SETUP_PASSWORD": "correct horse battery"}
    about = {"PYTHONPATH": str(tmp_path), **first}
    with server.http() as http, started([PROGRAMS / "pgadmin4"], tmp_path, tmp_path / "said", f"{url}/login", **about):
        for person in people(browser, server, http):
            page = person.page
            page.goto(f"{url}/login")
            page.get_by_role("button", name="Rollbook").click()
            person.sign_in()
            page.wait_for_url(f"{url}/browser/")
            expect(page.locator("body")).to_contain_text(person.user["email"])


def consent(person: Person, url: str) -> None:
    person.page.goto(url)
    person.sign_in()
    person.page.get_by_role("button", name="Allow").click()


def message(method: str, id: int | None = None, **params: Any) -> bytes:
    about = {} if id is None else {"id": id}
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **about}).encode() + b"\n"


HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


def test_mcp_remote_signs_in(server: Server, browser: Browser, files: Certified, tmp_path: Path) -> None:
    program = OPENID / "node_modules" / "mcp-remote" / "dist" / "proxy.js"
    with server.http() as http, serving(Publisher(files)) as publisher:
        client = publisher.publish("/client.json", redirect_uris=["http://localhost/oauth/callback"])
        for person in people(browser, server, http):
            log, home, port = tmp_path / f"{person.name}.log", tmp_path / person.name, str(free_port())
            command = [NODE, program, f"{server.url}/mcp", port, "--client-metadata-url", client]
            with beginning(command, log, MCP_REMOTE_CONFIG_DIR=str(home)) as process:
                assert process.stdin
                process.stdin.write(message("initialize", 1, **HANDSHAKE))
                process.stdin.write(message("notifications/initialized"))
                process.stdin.write(message("tools/list", 2))
                process.stdin.flush()
                consent(person, found(LEADS_TO, log))
                person.page.wait_for_url(f"http://localhost:{port}/oauth/callback?*")
                tools = json.loads(found(r'\{.*"id":2.*\}', log))["result"]["tools"]
            names = {tool["name"] for tool in tools}
            assert "get_user" in names and "create_user" not in names


def test_the_conformance_suite_of_mcp_finds_no_fault(
    server: Server, browser: Browser, files: Certified, tmp_path: Path
) -> None:
    program = OPENID / "node_modules" / ".bin" / "conformance"
    port = free_port()
    with server.http() as http, serving(Publisher(files)) as publisher:
        callback = f"http://127.0.0.1:{port}/callback"
        client = publisher.publish("/client.json", redirect_uris=[callback])
        for person in people(browser, server, http):
            log = tmp_path / person.name
            command = [program, "authorization", "--url", server.url, "--client-id", client, "--port", str(port)]
            with beginning([*command, "--resource", f"{server.url}/mcp"], log) as process:
                consent(person, found(LEADS_TO, log))
                assert process.wait(60) == 0, log.read_text()
