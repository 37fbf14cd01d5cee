"""The applications in examples/ sign people up, in and out in a browser, and what happens in Rollbook reaches them at
once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from rollbook.actions.key_bounds import PURPOSES
from rollbook.delivery import payload, signing
from rollbook.records import events
from tests import typescript_sdk
from tests.browser import chromium
from tests.browser.chromium import IS_SOAK, PATIENCE
from tests.harness import PLAIN, Server, free_port, running
from tests.nodes.pair import wait_until
from tests.typescript_sdk import ROOT
from tests.webhooks.listener import Listener, Message, listening

EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "sign-in.md").read_text()
PYTHON = ROOT / ".venv-migrate" / "bin" / "python"
SECRET = signing.new_secret()
FIRST, SECOND = "the first passphrase", "the second passphrase"

# What `next start` does for route handlers, as far as these need it.
NEXT_SERVER = """
import { createServer } from "node:http";
const [home, page] = await Promise.all(["./app/route.js", "./app/[page]/route.js"].map((path) => import(path)));
createServer(async (incoming, outgoing) => {
  const body = [];
  for await (const chunk of incoming) body.push(chunk);
  const headers = { ...incoming.headers, "x-forwarded-for": `192.0.2.66, ${incoming.socket.remoteAddress}` };
  const init = incoming.method === "GET" ? { headers } : { headers, method: incoming.method, body: Buffer.concat(body) };
  const handler = (incoming.url === "/" ? home : page)[incoming.method];
  const answer = await handler(new Request(`http://localhost${incoming.url}`, init));
  outgoing.writeHead(answer.status, [...answer.headers].flat());
  outgoing.end(Buffer.from(await answer.arrayBuffer()));
}).listen(process.env.PORT, "127.0.0.1");
"""


def flask(folder: Path, port: int) -> list[str]:
    return [str(PYTHON), "-m", "flask", "run", "--port", str(port)]


def fastapi(folder: Path, port: int) -> list[str]:
    return [str(PYTHON), "-m", "uvicorn", "main:app", "--port", str(port), "--log-level", "warning"]


def django(folder: Path, port: int) -> list[str]:
    return [str(PYTHON), "app.py", "runserver", "--noreload", str(port)]


def express(folder: Path, port: int) -> list[str]:
    node_modules(folder)
    return ["node", "app.mjs"]


def nextjs(folder: Path, port: int) -> list[str]:
    """Next itself is not run, since it takes 20 s to install and build: a server with its conventions calls the route
    handlers."""
    node_modules(folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "server.mjs").write_text(NEXT_SERVER)
    return ["node", "server.mjs"]


def node_modules(folder: Path) -> None:
    modules = folder / "node_modules"
    (modules / "@rollbook").mkdir(parents=True)
    (modules / "@rollbook" / "client").symlink_to(typescript_sdk.built())
    (modules / "express").symlink_to(ROOT / "node_modules" / "express")


[VIEW] = re.findall(r"^```python\n(from rollbook_client\S+ import webhook\n.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CHANGED = VIEW.partition("@webhook\n")[2]
WEBHOOKS = {
    "flask": ("app.py", "", VIEW),
    "fastapi": ("main.py", "", VIEW.replace("flask", "fastapi")),
    "django": (
        "app.py",
        'urlpatterns = [path("", home)]',
        f"from rollbook_client.integrations.django import webhook\n\n{CHANGED}\n"
        'urlpatterns = [path("", home), path("webhooks/rollbook", webhook(changed))]',
    ),
    "express": (
        "app.mjs",
        "app.listen",
        'import { webhook } from "@rollbook/client/express";\n'
        'app.post("/webhooks/rollbook", webhook((event) => console.log(event.type, event.object.id)));\napp.listen',
    ),
}
"""The view that the page has for webhooks, and where in the program it goes."""
FRAMEWORKS = (
    {"flask": flask, "fastapi": fastapi, "nextjs": nextjs} if IS_SOAK else {"django": django, "express": express}
)


@pytest.fixture(scope="module")
def browser(mail: Listener) -> Iterator[Browser]:
    """Started last: from then on, playwright's event loop counts as the running one of this thread."""
    expect.set_options(timeout=PATIENCE)
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--webhook-allow", "127.0.0.0/8", "--rate-limit", "none", "--attempts-limit", "4/minute")
    with running(tmp_path_factory.mktemp("server") / "data", *flags) as server:
        yield server


class Clock:
    """The server's, which goes only forward."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ahead = 0

    @property
    def now(self) -> int:
        return int(time.time()) + self._ahead

    def advance(self, seconds: int) -> None:
        self._ahead += seconds
        self._server.pass_time(self._ahead)


@pytest.fixture(scope="module")
def clock(server: Server) -> Clock:
    return Clock(server)


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with server.http() as http:
        yield http


@pytest.fixture(scope="module")
def key(http: httpx2.Client) -> str:
    """With the scopes of the purpose `sign-in`."""
    shop = http.post("/v1/applications", json={"name": "Shop", "role": "admin", "rate_limit": "none"}).json()
    made = {"name": "shop", "user_id": shop["id"], "scopes": PURPOSES["sign-in"].scopes}
    return http.post("/v1/keys", json=made).json()["key"]


@pytest.fixture(scope="module")
def mail(http: httpx2.Client) -> Iterator[Listener]:
    """What people are sent, by an application with mail of its own."""
    with listening() as listener:
        hook = {"url": listener.url(), "types": ["token.requested"]}
        assert http.post("/v1/webhooks", json=hook).status_code == 201
        yield listener


@contextmanager
def application(framework: str, folder: Path, server: Server, key: str) -> Iterator[str]:
    """Its URL; it listens, also to a webhook."""
    port = free_port()
    url = f"http://localhost:{port}"
    environment = os.environ | {
        "ROLLBOOK_URL": server.url,
        "ROLLBOOK_KEY": key,
        "SHOP_URL": url,
        "PORT": str(port),
        "WEBHOOK_SECRET": SECRET,
        "PYTHONPATH": str(ROOT / "sdk" / "python" / "src"),
        "PYTHONUNBUFFERED": "1",
    }
    shutil.copytree(EXAMPLES / framework, folder, dirs_exist_ok=True)
    if framework in WEBHOOKS:
        name, before, view = WEBHOOKS[framework]
        program = (folder / name).read_text()
        (folder / name).write_text(program.replace(before, view) if before else f"{program}\n{view}")
    printed = folder / "printed"
    with printed.open("w") as output:
        command = FRAMEWORKS[framework](folder, port)
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:

        def listens() -> bool:
            assert process.poll() is None, printed.read_text()
            try:
                return httpx2.get(url, timeout=60, **PLAIN).status_code > 0
            except httpx2.TransportError:
                return False

        wait_until(listens)
        yield f"{url}/"
    finally:
        process.kill()
        process.wait()


class Shop:
    """An application as one browser sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        page.goto(url)

    def send(self, button: str, **fields: str) -> None:
        """The form of the page."""
        for name, value in fields.items():
            self.page.locator(f"form [name={name}]").fill(value)
        self.page.get_by_role("button", name=button, exact=True).click()

    def sign_up(self, email: str, password: str) -> None:
        self.page.goto(f"{self.url}sign-up")
        self.send("Create account", name="Ada <b>", email=email, password=password)

    def sign_in(self, email: str, password: str) -> None:
        self.send("Sign in", email=email, password=password)

    def greets(self, name: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(f"Hello, {name}")

    def asks(self) -> None:
        """Whoever sees it has to sign in."""
        expect(self.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()

    def says(self, text: str) -> None:
        expect(self.page.get_by_role("alert")).to_have_text(re.compile(text))

    def again(self) -> None:
        self.page.goto(self.url)


def link(mail: Listener, email: str, purpose: str) -> str:
    """The link of the next message."""

    def is_it(message: Message) -> bool:
        return (message.event["object"]["email"], message.event["object"]["purpose"]) == (email, purpose)

    mail.wait_for(lambda: any(map(is_it, mail.messages)))
    [found] = filter(is_it, mail.messages)
    mail.messages.remove(found)
    return found.event["object"]["url"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_people_sign_up_in_and_out_and_get_back_in(
    framework: str,
    browser: Browser,
    server: Server,
    clock: Clock,
    http: httpx2.Client,
    key: str,
    mail: Listener,
    tmp_path: Path,
) -> None:
    email = f"{framework}@example.com"
    with application(framework, tmp_path, server, key) as url:
        context, other = browser.new_context(locale="en-US"), browser.new_context(locale="en-US")
        here, elsewhere = Shop(context.new_page(), url), Shop(other.new_page(), url)
        here.asks()
        here.page.get_by_role("link", name="Create an account").click()
        here.sign_up(email, "short")
        here.says("shorter than 8 characters")
        here.sign_up(email, FIRST)
        here.greets("Ada <b>")
        [cookie] = context.cookies(url)
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("session", True, "Lax")
        elsewhere.sign_up(email, SECOND)
        elsewhere.says("Email address is already in use.")

        # Confirm the email: the link leads to a page of Rollbook, and from there back.
        here.page.goto(link(mail, email, "verify_email"))
        here.page.get_by_role("button", name="Confirm email address").click()
        here.page.wait_for_url(url)
        here.greets("Ada <b>")
        here.send("Sign out")
        here.asks()
        here.sign_in(email, "wrong password")
        here.says("The email or password is incorrect.")
        here.sign_in(email, FIRST)
        here.greets("Ada <b>")
        no_other_site_signs_in_or_out(url, email, context.cookies(url)[0])

        # A new password ends all sessions, and leads back to a page where it works.
        elsewhere.again()
        elsewhere.page.get_by_role("link", name="Forgot your password?").click()
        elsewhere.send("Send me a link", email=email)
        expect(elsewhere.page.get_by_role("status")).to_have_text(re.compile("you get an email"))
        elsewhere.page.goto(link(mail, email, "reset_password"))
        elsewhere.page.get_by_label("New password").fill(SECOND)
        elsewhere.page.get_by_role("button", name="Set password").click()
        elsewhere.page.wait_for_url(f"{url}sign-in")
        elsewhere.sign_in(email, FIRST)
        elsewhere.says("The email or password is incorrect.")
        elsewhere.sign_in(email, SECOND)
        elsewhere.greets("Ada <b>")
        here.again()
        here.asks()

        [user] = http.get("/v1/users", params={"email": email}).json()
        http.patch(f"/v1/users/{user['id']}", json={"name": "Countess"})
        elsewhere.again()
        elsewhere.greets("Countess")
        outlives_its_token(clock, elsewhere)
        asks_for_a_second_factor(http, clock, here, user["id"], email)

        http.post(f"/v1/users/{user['id']}/suspend")
        elsewhere.again()
        elsewhere.asks()
        elsewhere.sign_in(email, SECOND)
        elsewhere.says("suspended")
        if framework in WEBHOOKS:
            receives_what_is_signed(f"{url}webhooks/rollbook", tmp_path / "printed")
        for shop in (here, elsewhere):
            shop.page.context.close()
        printed = (tmp_path / "printed").read_text()
        assert not re.search(f"rb[sr]_|challenge|{FIRST}|{SECOND}|{email}", printed), printed


def no_other_site_signs_in_or_out(url: str, email: str, session: Any) -> None:
    """What a page of another site can make a browser send, and where it might lead."""
    proof = {"email": email, "password": FIRST}
    with httpx2.Client(cookies={session["name"]: session["value"]}, timeout=60, **PLAIN) as browser:
        for path in ("sign-in", "sign-up", "sign-out", "forgot-password", "confirm-email"):
            for headers in ({"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
                answer = browser.post(url + path, data=proof, headers=headers)
                assert answer.status_code == 403 and "set-cookie" not in answer.headers, (path, headers)
            large = browser.post(url + path, data={"email": "a" * 100_000})
            assert large.status_code == 413, path
        answer = browser.post(f"{url}sign-in", data={**proof, "next": "//evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        answer = httpx2.get(url, headers={"Accept": "text/html"}, timeout=60, **PLAIN)
        assert (answer.status_code, unquote(answer.headers["location"])) == (303, "/sign-in?next=/")


def outlives_its_token(clock: Clock, shop: Shop) -> None:
    """Its token has expired, and two tabs ask for the next one at once."""
    clock.advance(20 * 60)
    tabs = [shop.page, shop.page.context.new_page()]
    for tab in tabs:
        tab.goto(shop.url, wait_until="commit")
    for tab in tabs:
        expect(tab.get_by_role("heading", level=1)).to_have_text("Hello, Countess")
    tabs[1].close()
    shop.again()
    shop.greets("Countess")


def asks_for_a_second_factor(http: httpx2.Client, clock: Clock, shop: Shop, user_id: str, email: str) -> None:
    factors = f"/v1/users/{user_id}/second-factors"
    made = http.post(factors, json={"kind": "totp"}).json()
    codes = pyotp.TOTP(made["secret"])
    activated = http.post(f"{factors}/{made['id']}/activate", json={"code": codes.at(clock.now)})
    shop.sign_in(email, SECOND)
    shop.send("Continue", code="000000")
    expect(shop.page.get_by_role("alert")).to_be_visible()
    shop.send("Continue", code=activated.json()["recovery_codes"][0])
    shop.greets("Countess")


def receives_what_is_signed(url: str, printed: Path) -> None:
    """Signed here: the server's clock is ahead."""
    event = events.example("user.suspended", "evt_065n1ijrg1t7ne57u1m417e15k", 1_700_000_000_000_000)
    kind, body = payload.body(event, "standard", "full", "https://users.example.com")
    for secret, status in ((SECRET, 204), (signing.new_secret(), 400)):
        signed = signing.headers(event.id, int(time.time()), body, [signing.key(secret)])
        headers = {"Content-Type": kind, **dict(signed)}
        answer = httpx2.post(url, content=body, headers=headers, timeout=60, **PLAIN)
        assert (answer.status_code, answer.text) == (status, "")
    wait_until(lambda: printed.read_text().count("user.suspended user_") == 1)
