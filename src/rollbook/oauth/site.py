"""The entrance of applications that people sign in to: tokens, what they tell, and the two documents that say where all
of it is. What people see of it are pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from rollbook.actions import app_sessions, oauth2
from rollbook.actions.oauth2 import ProvenClient, TokenSet
from rollbook.api.call import Services
from rollbook.auth import session_tokens
from rollbook.delivery.client_documents import is_url
from rollbook.errors import OAuthRefused
from rollbook.gate import Gate
from rollbook.http.origins import ANY_ORIGIN
from rollbook.http.request import JSON, PRIVATE, Request, Response, line
from rollbook.http.routing import STRANGERS_FORM, Ids, Plan
from rollbook.limits.policy import count_page
from rollbook.records.events import Actor

PREFIX, RESOURCE = "/oauth2/", "/.well-known/oauth-protected-resource"
REREAD = b"Cache-Control: public, max-age=300\r\n"
FORM = b"application/x-www-form-urlencoded"
_PREFLIGHT = (
    ANY_ORIGIN
    + line("Access-Control-Allow-Methods", "GET, POST")
    + line("Access-Control-Allow-Headers", "Authorization, Content-Type")
    + line("Access-Control-Max-Age", "7200")
)


class OAuthRow(NamedTuple):
    """One call. `handle` makes the response of the request and the fields of its form."""

    method: str
    path: str
    handle: Callable[[OAuth, Request, Mapping[str, str]], Awaitable[Response]]
    max_body: int = STRANGERS_FORM
    streams_body: bool = False


class OAuth:
    def __init__(self, on: Services, gate: Gate) -> None:
        self.on = on
        self.gate = gate

    def plan(self, row: OAuthRow) -> Plan:
        return partial(self._answer, row)

    async def before_refusal(self, request: Request, rows: Sequence[OAuthRow]) -> None:
        """Which calls there are is no secret."""
        await count_page(self.on.limiter, self.on.settings.page_limit, request.address)

    async def _answer(self, row: OAuthRow, request: Request, ids: Ids) -> Response:
        try:
            fields: dict[str, str] = {}
            if row.method == "POST":
                await request.complete()
                fields = _fields(request)
            return await row.handle(self, request, fields)
        except OAuthRefused as error:
            self.on.operations.count(error, request)
            await count_page(self.on.limiter, self.on.settings.page_limit, request.address)
            return _refused(error)

    def actor(self, request: Request, client: ProvenClient) -> Actor:
        return Actor(client.id, client.key_id, request.address, request.id, request.trace_id)

    async def client(self, request: Request, fields: Mapping[str, str]) -> ProvenClient:
        """The application that asks. Raises OAuthRefused, TooManyRequests."""
        client_id, secret = _credentials(request, fields)
        if is_url(client_id):  # before its document is fetched
            await count_page(self.on.limiter, self.on.settings.page_limit, request.address)
            return await oauth2.prove_client(self.on, request.address, client_id, secret)
        client = await oauth2.prove_client(self.on, request.address, client_id, secret)
        request.user_id, request.key_id = client.id, client.key_id
        if client.key_id is None:
            await count_page(self.on.limiter, self.on.settings.page_limit, request.address)
        else:
            self.gate.note_use(client.key_id)
        return client


def _fields(request: Request) -> dict[str, str]:
    """The fields of a form, each once (RFC 6749, section 3.2). Raises OAuthRefused."""
    kind = request.headers.get(b"content-type", FORM if not request.body else b"").partition(b";")[0].strip().lower()
    if kind != FORM:
        raise oauth2.refuse("invalid_request", "The body must be application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise oauth2.refuse("invalid_request", "The body is not valid URL-encoded data.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or "\0" in "".join(fields.values()):
        raise oauth2.refuse("invalid_request", "A parameter is repeated, or contains a NUL character.")
    return {name: value for name, value in fields.items() if value}


def _credentials(request: Request, fields: Mapping[str, str]) -> tuple[str, str]:
    """Client ID and secret, of the header or of the form (RFC 6749, section 2.3.1). Raises OAuthRefused."""
    header = request.headers.get(b"authorization")
    named, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if header is None:
        if not named:
            raise oauth2.refuse("invalid_client", "No client ID was sent.", 401)
        return named, secret
    scheme, _, text = header.partition(b" ")
    try:
        if scheme.lower() != b"basic":
            raise ValueError(scheme)
        user, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        raise oauth2.refuse("invalid_client", "The Authorization header must be that of Basic.", 401) from None
    user, password = unquote_plus(user), unquote_plus(password)
    if secret or not colon or (named and named != user) or "\0" in user:
        raise oauth2.refuse("invalid_request", "Send the client ID and secret once.")
    return user, password


# ---- how it is told

_HEAD = JSON + PRIVATE + b"Pragma: no-cache\r\n" + ANY_ORIGIN


def _json(value: Any, status: int = 200, head: bytes = b"") -> Response:
    return Response(status, _HEAD + head, msgspec.json.encode(value))


def _refused(error: OAuthRefused) -> Response:
    """RFC 6749 section 5.2, and RFC 6750 section 3 for a token that is no good."""
    head = b""
    if error.as_status == 401:
        scheme = "Bearer" if error.error == "invalid_token" else "Basic"
        named = f', error="{error.error}"' if scheme == "Bearer" else ""
        head = line("WWW-Authenticate", f'{scheme} realm="Rollbook"{named}')
        head += line("Access-Control-Expose-Headers", "WWW-Authenticate")
    return _json({"error": error.error, "error_description": error.message}, error.as_status, head)


# ---- the calls


async def token(site: OAuth, request: Request, fields: Mapping[str, str]) -> Response:
    client = await site.client(request, fields)
    by, kind = site.actor(request, client), fields.get("grant_type", "")
    if kind == "authorization_code":
        for name in ("code", "redirect_uri"):
            if name not in fields:
                raise oauth2.refuse("invalid_request", f"{name} is required.")
        verifier, resource = fields.get("code_verifier", ""), fields.get("resource", "")
        tokens = await oauth2.exchange(site.on, by, client, fields["code"], fields["redirect_uri"], verifier, resource)
    elif kind == "refresh_token":
        if "refresh_token" not in fields:
            raise oauth2.refuse("invalid_request", "refresh_token is required.")
        tokens = await oauth2.refresh(site.on, by, client, fields["refresh_token"], fields.get("scope", ""))
    elif kind:
        raise oauth2.refuse("unsupported_grant_type", "The grants are authorization_code and refresh_token.")
    else:
        raise oauth2.refuse("invalid_request", "grant_type is required.")
    return _json(_told(tokens))


def _told(tokens: TokenSet) -> dict[str, Any]:
    told = {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.lifetime // 1_000_000,
        "id_token": tokens.id_token,
        "scope": tokens.scope,
        "refresh_token": tokens.refresh_token,
    }
    return {name: value for name, value in told.items() if value is not None}


async def userinfo(site: OAuth, request: Request, fields: Mapping[str, str]) -> Response:
    scheme, _, text = request.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = text.strip() if scheme.lower() == "bearer" else ""
    if "access_token" in fields:
        if scheme:
            raise oauth2.refuse("invalid_request", "Send the access token once.")
        token = fields["access_token"]
    if not token:
        head = line("WWW-Authenticate", 'Bearer realm="Rollbook"')
        return _json({"error": "invalid_request", "error_description": "No access token was sent."}, 401, head)
    return _json(await oauth2.userinfo(site.on, token))


async def revoke(site: OAuth, request: Request, fields: Mapping[str, str]) -> Response:
    client = await site.client(request, fields)
    if "token" not in fields:
        raise oauth2.refuse("invalid_request", "token is required.")
    await oauth2.revoke(site.on, site.actor(request, client), client, fields["token"])
    return Response(200, PRIVATE + ANY_ORIGIN)


async def preflight(site: OAuth, request: Request, fields: Mapping[str, str]) -> Response:
    return Response(204, _PREFLIGHT)


async def discovery(site: OAuth, request: Request, fields: Mapping[str, str]) -> Response:
    """OpenID Connect Discovery, and RFC 8414."""
    await count_page(site.on.limiter, site.on.settings.page_limit, request.address)
    await app_sessions.signer(site.on, session_tokens.RS256)  # whoever reads this reads the keys next
    return Response(200, JSON + REREAD + ANY_ORIGIN, msgspec.json.encode(described(site.on.settings.url)))


async def resource(site: OAuth, request: Request, fields: Mapping[str, str]) -> Response:
    """Metadata of a resource that assistants sign in to (RFC 9728)."""
    await count_page(site.on.limiter, site.on.settings.page_limit, request.address)
    everything, readonly = oauth2.resources(site.on.settings.url)
    told = {
        "resource": readonly if request.path.endswith("/readonly") else everything,
        "authorization_servers": [site.on.settings.url],
        "bearer_methods_supported": ["header"],
        "resource_documentation": f"{site.on.settings.url}/docs/mcp",
    }
    return Response(200, JSON + REREAD + ANY_ORIGIN, msgspec.json.encode(told))


def described(url: str) -> dict[str, Any]:
    methods = ["client_secret_basic", "client_secret_post", "none"]
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/oauth2/authorize",
        "token_endpoint": f"{url}/oauth2/token",
        "userinfo_endpoint": f"{url}/oauth2/userinfo",
        "revocation_endpoint": f"{url}/oauth2/revoke",
        "end_session_endpoint": f"{url}/oauth2/logout",
        "jwks_uri": f"{url}/.well-known/jwks.json",
        "scopes_supported": list(oauth2.SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "acr_values_supported": ["aal1", "aal2"],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"),
            *("name", "preferred_username", "updated_at", "locale", "email", "email_verified", "groups", "role"),
        ],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "request_uri_parameter_supported": False,
        "service_documentation": f"{url}/docs/connect",
    }


_CALLS = {
    "/oauth2/token": (("POST", token),),
    "/oauth2/userinfo": (("GET", userinfo), ("POST", userinfo)),
    "/oauth2/revoke": (("POST", revoke),),
    "/.well-known/openid-configuration": (("GET", discovery),),
    "/.well-known/oauth-authorization-server": (("GET", discovery),),
    f"{RESOURCE}/mcp": (("GET", resource),),
    f"{RESOURCE}/mcp/readonly": (("GET", resource),),
}
ROWS = [
    OAuthRow(method, path, handle)
    for path, calls in _CALLS.items()
    for method, handle in (*calls, ("OPTIONS", preflight))
]
