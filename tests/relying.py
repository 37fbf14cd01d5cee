"""An application that people sign in to, as programs that speak OpenID Connect do: it sends a browser away, gets a code,
exchanges it, and checks what it was told by the published keys alone. And an assistant, with the document that it
publishes about itself."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx2
import jwt

from tests.certificates import Certified
from tests.harness import PATIENCE, PLAIN, Server, serving

CALLBACK = "https://grafana.example.com/login/generic_oauth"
SCOPE = "openid profile email groups offline_access"
REGISTERED, ANSWERED = "http://localhost/callback", "http://localhost:51004/callback"
"""URLs of an assistant on a person's machine: the one of its document, and the one at which it listens."""
CONSENT = "/account/assistants/consent"


class Pkce(NamedTuple):
    verifier: str
    challenge: str


def pkce() -> Pkce:
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Pkce(verifier, base64.urlsafe_b64encode(digest).decode().rstrip("="))


def parameters_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


class Application:
    """A client of the server. Without a secret, it is a public one."""

    def __init__(self, server: Server, id: str, secret: str = "", callback: str = CALLBACK) -> None:
        self.server, self.id, self.secret, self.callback = server, id, secret, callback
        self.http = httpx2.Client(base_url=server.url, timeout=PATIENCE, **PLAIN)
        self.verifier = ""

    def holding(self, secret: str) -> Application:
        """The same application, with another secret."""
        other = copy(self)
        other.secret = secret
        return other

    def asked(self, **changed: str | None) -> dict[str, str]:
        """The parameters of a request that people sign in."""
        pair = pkce()
        self.verifier = pair.verifier
        parameters = {
            "client_id": self.id,
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": SCOPE,
            "state": "state & more",
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": pair.challenge,
            "code_challenge_method": "S256",
            **changed,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def send(self, browser: httpx2.Client, **changed: str | None) -> httpx2.Response:
        return browser.get("/oauth2/authorize", params=self.asked(**changed))

    def answered(self, browser: httpx2.Client, **changed: str | None) -> dict[str, str]:
        """The answer to a request, which must lead back to the application."""
        answer = self.send(browser, **changed)
        assert answer.status_code == 303, answer.text
        location = answer.headers["location"]
        assert location.startswith(changed.get("redirect_uri") or self.callback), location
        answered = parameters_of(location)
        assert answered["iss"] == self.server.url
        assert answered.get("state") == ("state & more" if changed.get("state", "") is not None else None)
        return answered

    def code(self, browser: httpx2.Client, **changed: str | None) -> str:
        return self.answered(browser, **changed)["code"]

    def token(self, **fields: str) -> httpx2.Response:
        """A request with its secret in the header, or with its ID alone."""
        if self.secret:
            return self.http.post("/oauth2/token", data=fields, auth=(self.id, self.secret))
        return self.http.post("/oauth2/token", data={"client_id": self.id, **fields})

    def exchange(self, code: str, **changed: str) -> httpx2.Response:
        fields = {"code": code, "redirect_uri": self.callback, "code_verifier": self.verifier, **changed}
        return self.token(grant_type="authorization_code", **{name: value for name, value in fields.items() if value})

    def signed_in(self, browser: httpx2.Client, **changed: str | None) -> dict[str, Any]:
        """The tokens of whoever is signed in to this browser."""
        answer = self.exchange(self.code(browser, **changed))
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    def refresh(self, token: str, **fields: str) -> httpx2.Response:
        return self.token(grant_type="refresh_token", refresh_token=token, **fields)

    def userinfo(self, token: str) -> httpx2.Response:
        return self.http.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"})

    def revoke(self, token: str) -> httpx2.Response:
        return self.http.post("/oauth2/revoke", data={"token": token}, auth=(self.id, self.secret))

    def claims(self, token: str, type: str = "JWT") -> dict[str, Any]:
        """Those of a token that the published keys verify."""
        keys = jwt.PyJWKSet.from_dict(self.http.get("/.well-known/jwks.json").json())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        anytime = {"verify_iat": False, "verify_exp": False}  # the server's clock may be moved
        made = jwt.decode_complete(token, key, ["RS256"], audience=self.id, issuer=self.server.url, options=anytime)
        assert made["header"]["typ"] == type
        return made["payload"]


def refused(answer: httpx2.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json()["error_description"] and answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


@contextmanager
def application(server: Server, http: httpx2.Client, is_public: bool = False, **fields: Any) -> Iterator[Application]:
    body = {"name": "Grafana", "redirect_urls": [CALLBACK], "public_client": is_public, **fields}
    answer = http.post("/v1/applications", json=body)
    assert answer.status_code == 201, answer.text
    id = answer.json()["id"]
    secret = ""
    if not is_public:
        made = http.post("/v1/keys", json={"user_id": id, "name": "secret", "kind": "client"})
        assert made.status_code == 201, made.text
        secret = made.json()["key"]
    made_up = Application(server, id, secret, fields.get("redirect_urls", [CALLBACK])[0])
    with made_up.http:
        yield made_up


class LogoutReceiver(ThreadingHTTPServer):
    """An application's back-channel logout URL, with all tokens that came."""

    def __init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.tokens: list[str] = []
        self.answer: Callable[[str], int] = lambda token: 200
        self.url = f"http://127.0.0.1:{self.server_port}/signed-out"
        self._claims: dict[str, dict[str, Any]] = {}

    def take(self, request: BaseHTTPRequestHandler) -> None:
        form = dict(parse_qsl(request.rfile.read(int(request.headers["content-length"])).decode()))
        token = form["logout_token"]
        self.tokens.append(token)
        request.send_response(self.answer(token) if len(form) == 1 else 500)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def heard(self, app: Application) -> list[dict[str, Any]]:
        """Claims of the tokens, each of which must be a valid one."""
        tokens = list(self.tokens)
        for token in tokens:
            if token not in self._claims:
                self._claims[token] = app.claims(token, "logout+jwt")
        claims = [self._claims[token] for token in tokens]
        for told in claims:
            assert set(told) == {"iss", "aud", "iat", "exp", "jti", "sub", "sid", "events"}, told
            assert told["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
            assert told["exp"] - told["iat"] == 120
        assert len({told["jti"] for told in claims}) == len(claims)
        return claims

    def wait_for(self, app: Application, sids: set[str]) -> list[dict[str, Any]]:
        until = time.monotonic() + PATIENCE
        while True:
            claims = self.heard(app)
            if sids <= {told["sid"] for told in claims}:
                return claims
            assert time.monotonic() < until, f"{len(self.tokens)} tokens came"
            time.sleep(0.02)


@contextmanager
def hearing() -> Iterator[LogoutReceiver]:
    with serving(LogoutReceiver()) as receiver:
        yield receiver


class Publisher(ThreadingHTTPServer):
    """Documents by their paths: each what is answered, with status and headers. Without files, by plain HTTP."""

    def __init__(self, files: Certified | None = None) -> None:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.fetched.append(self.path)
                status, headers, body = publisher.answers[self.path]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if (held := publisher.held.get(self.path)) is not None:
                    held.wait(PATIENCE)
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        if files is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(files.certificate, files.key)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server_port}"
        self.origin = f"http{'' if files is None else 's'}://{self.host}"
        self.fetched: list[str] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.held: dict[str, threading.Event] = {}
        """Until when bodies are held back."""

    def publish(self, path: str, status: int = 200, **changed: Any) -> str:
        url = f"{self.origin}{path}"
        document = {"client_id": url, "client_name": "Your bank", "redirect_uris": [REGISTERED], **changed}
        self.answers[path] = (status, {"Cache-Control": "public, max-age=600"}, json.dumps(document).encode())
        return url


class Assistant:
    def __init__(self, server: Server, client_id: str) -> None:
        self.server, self.id, self.pair = server, client_id, pkce()

    def asked(self, **changed: str | None) -> dict[str, str]:
        parameters = {
            "client_id": self.id,
            "redirect_uri": ANSWERED,
            "response_type": "code",
            "state": "s1",
            "code_challenge": self.pair.challenge,
            "code_challenge_method": "S256",
            "resource": f"{self.server.url}/mcp",
            **changed,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def send(self, browser: httpx2.Client, **changed: str | None) -> httpx2.Response:
        return browser.get("/oauth2/authorize", params=self.asked(**changed))

    def consented(self, browser: httpx2.Client, access: str = "read", answer: str = "allow", **changed: str) -> str:
        """Where a person's answer leads."""
        shown = self.send(browser, **changed).headers["location"]
        form = {"next": parameters_of(shown)["next"], "access": access, "answer": answer}
        answered = browser.post(CONSENT, data=form)
        assert answered.status_code == 303, answered.text
        assert answered.headers["location"].startswith(f"{ANSWERED}?")
        return answered.headers["location"]

    def code(self, browser: httpx2.Client, **changed: str) -> str:
        return parameters_of(self.consented(browser, **changed))["code"]

    def exchange(self, code: str, **changed: str) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": self.id,
            "code": code,
            "redirect_uri": ANSWERED,
            "code_verifier": self.pair.verifier,
            "resource": f"{self.server.url}/mcp",
            **changed,
        }
        with httpx2.Client(base_url=self.server.url, timeout=60, **PLAIN) as http:
            return http.post("/oauth2/token", data={name: value for name, value in form.items() if value})

    def revoke(self, token: str) -> httpx2.Response:
        with self.server.http(None) as http:
            return http.post("/oauth2/revoke", data={"client_id": self.id, "token": token})

    def token(self, browser: httpx2.Client, **changed: str) -> str:
        return self.exchange(self.code(browser, **changed)).json()["access_token"]

    def tools(self, token: str, path: str = "/mcp") -> set[str] | int:
        """Names of the tools that a token opens, or the status of the refusal."""
        with self.server.http(token) as http:
            answer = http.post(path, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        if answer.status_code != 200:
            return answer.status_code
        return {tool["name"] for tool in answer.json()["result"]["tools"]}
