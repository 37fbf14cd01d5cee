"""Assistants sign in: what a person consents to, who may ask them, and what the key that comes of it opens."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.callers import together
from tests.certificates import Certified, certified
from tests.harness import Server, new_user, running, serving
from tests.relying import ANSWERED, CONSENT, Assistant, Publisher, parameters_of, pkce, refused
from tests.visitor import signed_in, visitor


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificate"), "127.0.0.1")


@pytest.fixture(scope="module")
def server(engine: str, files: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--webhook-allow", "127.0.0.0/8", "--rate-limit", "none", "--unauthenticated-limit", "none")
    data, trusted = tmp_path_factory.mktemp("server") / "data", {"SSL_CERT_FILE": str(files.authority)}
    with running(data, *flags, "--page-limit", "none", environment=trusted) as server:
        yield server


@pytest.fixture(scope="module")
def publisher(files: Certified) -> Iterator[Publisher]:
    with serving(Publisher(files)) as made:
        yield made


@pytest.fixture(scope="module")
def plain() -> Iterator[Publisher]:
    """One without TLS."""
    with serving(Publisher()) as made:
        yield made


@pytest.fixture
def owner(server: Server) -> Iterator[httpx2.Client]:
    with signed_in(server) as browser:
        yield browser


@pytest.fixture
def assistant(server: Server, publisher: Publisher) -> Assistant:
    return Assistant(server, publisher.publish("/client.json"))


def test_an_assistant_finds_its_way_and_reads_as_the_person_who_consents(
    server: Server, http: httpx2.Client, owner: httpx2.Client, assistant: Assistant, publisher: Publisher
) -> None:
    with server.http(None) as stranger:
        for path in ("/mcp", "/mcp/readonly"):
            challenge = stranger.post(path, json={}).headers["www-authenticate"]
            [metadata] = re.findall('resource_metadata="(.+)"', challenge)
            told = stranger.get(metadata.removeprefix(server.url)).json()
            assert (told["resource"], told["authorization_servers"]) == (f"{server.url}{path}", [server.url])
        document = stranger.get("/.well-known/oauth-authorization-server").json()
        assert document["client_id_metadata_document_supported"] is True
    shown = assistant.send(owner)
    assert shown.headers["location"].startswith(f"{CONSENT}?next=")
    page = owner.get(shown.headers["location"])
    assert publisher.host in page.text and "Your bank" not in page.text and "on this computer" in page.text
    assert 'value="read" checked' in page.text and 'value="change">' in page.text
    german = owner.get(shown.headers["location"], headers={"Accept-Language": "de-CH"}).text
    assert f'Ein Assistent von <strong class="anywhere">{publisher.host}</strong>' in german
    assert "form-action 'self' http://localhost:51004;" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    back = parameters_of(assistant.consented(owner))
    assert back["iss"] == server.url and back["state"] == "s1"
    answer = assistant.exchange(back["code"])
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in"} and tokens["expires_in"] == 30 * 86_400
    token = tokens["access_token"]
    tools = assistant.tools(token)
    assert isinstance(tools, set) and "get_user" in tools and "create_user" not in tools
    with server.http(token) as held:
        call = {"name": "get_user", "arguments": {"user_id": "me"}}
        result = held.post("/mcp", json={"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}).json()
        assert not result["result"].get("isError"), result
        assert held.get("/v1/users/me").json()["code"] == "key_kind"
        assert held.get("/scim/v2/Users").status_code == 403
        assert held.get("/oauth2/userinfo").status_code == 401
    [key] = [key for key in http.get("/v1/keys").json() if key["kind"] == "assistant" and key["status"] == "active"]
    assert key["name"] == publisher.host and token.endswith(key["masked"][-4:])
    told = http.get("/v1/events", params={"user": key["user_id"], "type": "key.*", "order": "desc", "limit": 2}).json()
    assert [event["type"] for event in told] == ["key.updated", "key.created"]
    assert told[0]["object"]["expires_at"] == key["expires_at"] and told[0]["actor"]["user_id"] is None
    for given in (server.key, token):
        assert assistant.revoke(given).status_code == 200
    assert assistant.tools(token) == 401 and http.get("/v1/users/me").status_code == 200, "its own, and no other"
    assert publisher.fetched == ["/client.json"], "remembered"


class Storage:
    """What the SDK's client keeps."""

    tokens: OAuthToken | None = None
    about: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.about

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.about = client_info


def test_the_client_of_the_mcp_sdk_signs_in(server: Server, owner: httpx2.Client, assistant: Assistant) -> None:
    answered: dict[str, str] = {}

    async def open_browser(url: str) -> None:
        form = {"next": parameters_of(owner.get(url).headers["location"])["next"], "answer": "allow"}
        answered.update(parameters_of(owner.post(CONSENT, data=form).headers["location"]))

    async def returned() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=answered["code"], state=answered["state"], iss=answered["iss"])

    async def run() -> set[str]:
        auth = OAuthClientProvider(
            f"{server.url}/mcp",
            OAuthClientMetadata(redirect_uris=[AnyUrl(ANSWERED)], token_endpoint_auth_method="none"),
            Storage(),
            open_browser,
            returned,
            client_metadata_url=assistant.id,
        )
        async with (
            httpx2.AsyncClient(auth=auth, timeout=60, verify=False) as http,
            Client(streamable_http_client(f"{server.url}/mcp", http_client=http)) as client,
        ):
            return {tool.name for tool in (await client.list_tools()).tools}

    tools = asyncio.run(run())
    assert "get_user" in tools and "create_user" not in tools


def test_only_who_is_allowed_to_changes_something(owner: httpx2.Client, assistant: Assistant) -> None:
    changing = assistant.tools(assistant.token(owner, access="change"))
    assert isinstance(changing, set) and "create_user" in changing
    readonly = f"{assistant.server.url}/mcp/readonly"
    code = assistant.code(owner, access="change", resource=readonly)
    refused(assistant.exchange(code), "invalid_target")
    token = assistant.exchange(code, resource=readonly).json()["access_token"]
    reading = assistant.tools(token)
    assert isinstance(reading, set) and "create_user" not in reading


def test_of_all_who_come_with_a_code_none_keeps_what_it_gave(owner: httpx2.Client, assistant: Assistant) -> None:
    code = assistant.code(owner)
    refused(assistant.exchange(code, code_verifier=pkce().verifier), "invalid_grant")
    refused(assistant.exchange(code, redirect_uri="http://localhost:1/callback"), "invalid_grant")
    answers = together(*[lambda: assistant.exchange(code)] * 20)
    [won] = [answer.json()["access_token"] for answer in answers if answer.status_code == 200]
    assert assistant.tools(won) == 401


def test_what_a_person_may_not_an_assistant_may_not(server: Server, http: httpx2.Client, assistant: Assistant) -> None:
    user = new_user(http, role="admin")
    with signed_in(server, user) as browser:
        token, code = assistant.token(browser), assistant.code(browser)
        assert isinstance(assistant.tools(token), set)
        assert http.post(f"/v1/users/{user['id']}/suspend").status_code == 200
        assert assistant.tools(token) == 403
        refused(assistant.exchange(code), "invalid_grant")


def test_nobody_is_asked_by_a_stranger_and_no_one_else_answers(
    server: Server, owner: httpx2.Client, assistant: Assistant
) -> None:
    with visitor(server) as nobody:
        shown = assistant.send(nobody).headers["location"]
        assert nobody.get(shown).headers["location"].startswith("/account/sign-in")
    form = {"next": parameters_of(assistant.send(owner).headers["location"])["next"], "answer": "allow"}
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert owner.post(CONSENT, data=form, headers=foreign).status_code == 403
    for next_path in ("", "/account", form["next"].replace("51004", "51004@evil.example"), "/oauth2/authorize?x"):
        assert owner.post(CONSENT, data={**form, "next": next_path}).status_code == 400
    denied = parameters_of(assistant.consented(owner, answer="deny"))
    assert denied["error"] == "access_denied" and "code" not in denied


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"resource": None}, "invalid_target"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"prompt": "none"}, "consent_required"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_what_an_assistant_must_say(
    owner: httpx2.Client, assistant: Assistant, changed: dict[str, str | None], error: str
) -> None:
    assert parameters_of(assistant.send(owner, **changed).headers["location"])["error"] == error


def test_a_document_is_believed_about_its_own_url_alone(
    server: Server, owner: httpx2.Client, publisher: Publisher, plain: Publisher
) -> None:
    large = publisher.publish("/large.json", client_name="x" * 20_000)
    moved = publisher.publish("/moved.json")
    publisher.answers["/moved.json"] = (302, {"Location": "/client.json"}, b"")
    broken = publisher.publish("/broken.json")
    publisher.answers["/broken.json"] = (200, {}, b"<html>")
    slow = publisher.publish("/slow.json")
    publisher.held["/slow.json"] = threading.Event()
    urls = (
        large,
        moved,
        broken,
        slow,
        publisher.publish("/other.json", client_id="https://claude.ai/client.json"),
        publisher.publish("/secret.json", token_endpoint_auth_method="client_secret_post"),
        publisher.publish("/elsewhere.json", redirect_uris=["http://localhost/other"]),
        publisher.publish("/gone.json", status=404),
        publisher.publish("/"),
        plain.publish("/client.json"),
        f"https://{'a' * 50}.{'b' * 50}/client.json",
        "https://10.0.0.1/client.json",
        "https://169.254.169.254/client.json",
        "https://user@127.0.0.1/client.json",
        "file:///etc/passwd",
        "://",
    )
    for url, answer in zip(urls, together(*[partial(Assistant(server, url).send, owner) for url in urls]), strict=True):
        assert answer.status_code == 400 and "location" not in answer.headers, url
    assert not plain.fetched and not publisher.held["/slow.json"].is_set()
    publisher.held["/slow.json"].set()


def test_strangers_have_no_more_fetched_than_pages(publisher: Publisher, files: Certified, tmp_path: Path) -> None:
    flags, trusted = ("--webhook-allow", "127.0.0.0/8"), {"SSL_CERT_FILE": str(files.authority)}
    urls = [publisher.publish(f"/{number}.json") for number in range(5)]
    publisher.fetched.clear()
    with running(tmp_path / "data", *flags, "--page-limit", "4/hour", environment=trusted) as server:
        statuses = [Assistant(server, url).exchange("x").status_code for url in urls]
    assert statuses == [400, 400, 429, 429, 429], "each that is refused counts once more"
    assert publisher.fetched == ["/0.json", "/1.json"]
