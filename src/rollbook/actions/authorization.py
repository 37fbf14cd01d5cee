"""Requests of applications that a person sign in: what is asked for, to whom an answer may go, and what comes first."""

from __future__ import annotations

from collections.abc import Mapping
from string import punctuation
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from rollbook import clock
from rollbook.actions import app_sessions, clients, oauth2
from rollbook.actions.context import Rollbook
from rollbook.actions.oauth2 import CodeFor
from rollbook.delivery.client_documents import is_url
from rollbook.errors import BadRequest, OAuthRefused
from rollbook.records.clients import WorkingClient
from rollbook.records.sessions import Session

PATH = "/oauth2/authorize"
MAX_QUERY = 4_000
"""Characters of a request: the form that signs in carries it."""
MAX_TEXT = 2_000
"""Characters of `state` and `nonce`."""
MAX_SHOWN = 300
"""Characters of a refused URL that its page shows. Spaces are encoded, so that no link puts a sentence there."""
PROMPTS = frozenset(("none", "login", "select_account", "consent"))
SINCE = "since"
"""Parameter of ours: when a person was asked to prove again who they are."""
_CHALLENGE_LENGTH = 43  # of SHA-256 in base64url

Step = Literal["sign_in", "confirm", "choose", "answer"]
"""Next step: the person signs in, proves again who they are, says which account to use, or is sent back with a code."""


class Asked(NamedTuple):
    """A request whose answer may go to the URL it names."""

    name: str
    parameters: Mapping[str, str]
    wanted: CodeFor
    prompt: frozenset[str]
    max_age: int | None
    hinted: str | None
    """ID of the person who is expected."""

    @property
    def is_assistant(self) -> bool:
        return is_url(self.wanted.client_id)

    @property
    def is_read_only(self) -> bool:
        """Test whether it asks for nothing but reading."""
        return self.wanted.scope.endswith("/readonly")

    @property
    def is_posted(self) -> bool:
        return self.parameters.get("response_mode") == "form_post"

    def again(self, **changed: str | None) -> str:
        """The URL of the request, with these parameters; None: without."""
        parameters = {name: value for name, value in {**self.parameters, **changed}.items() if value is not None}
        return f"{PATH}?{urlencode(parameters)}"


class Refused(Exception):
    """The answer to an application whose request can't be granted."""

    def __init__(self, parameters: Mapping[str, str], error: OAuthRefused) -> None:
        self.parameters = parameters
        self.error = error


async def read(on: Rollbook, pairs: list[tuple[str, str]]) -> Asked:
    """A request. Nothing is sent anywhere before the application and its URL are known. Raises BadRequest, Refused."""
    parameters = {name: value for name, value in pairs if value}
    if len({name for name, _ in pairs}) != len(pairs):
        raise BadRequest("A parameter of this sign-in is repeated.")
    if sum(len(name) + len(value) + 2 for name, value in pairs) > MAX_QUERY:
        raise BadRequest(f"This sign-in has more than {MAX_QUERY} characters.")
    client_id, url = parameters.get("client_id", ""), parameters.get("redirect_uri", "")
    working = await clients.working(on, client_id)
    if working is None or not working.client.redirect_urls:
        raise BadRequest("No application here has this client ID. Check it in the program.", param="client_id")
    if not clients.leads_to(url, working.client):
        shown = quote(url[:MAX_SHOWN], safe=punctuation) or "no URL"
        problem = f"{working.name} has people return to {shown}, which is not one of its redirect URLs."
        raise BadRequest(problem, param="redirect_uri")
    try:
        return await _read(on, parameters, working)
    except OAuthRefused as error:
        raise Refused(parameters, error) from None


async def _read(on: Rollbook, parameters: Mapping[str, str], working: WorkingClient) -> Asked:
    """Raises OAuthRefused."""
    _check_kind(parameters)
    scopes = _scopes(on, parameters, working.client.user_id)
    prompt = frozenset(parameters.get("prompt", "").split())
    if not prompt <= PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise oauth2.refuse("invalid_request", "prompt must be none, or login and select_account.")
    max_age = parameters.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):
        raise oauth2.refuse("invalid_request", "max_age must be a number of seconds.")
    hinted = None
    if (hint := parameters.get("id_token_hint")) is not None:
        claims = await app_sessions.claims_of(on, hint, oauth2.ID)
        if claims is None:
            raise oauth2.refuse("invalid_request", "id_token_hint is not an ID token of this server.")
        hinted = claims["sub"]
    nonce = parameters.get("nonce")
    wanted = CodeFor(
        working.client.user_id, parameters["redirect_uri"], _challenge(parameters, working), " ".join(scopes), nonce
    )
    return Asked(working.name, parameters, wanted, prompt, None if max_age is None else int(max_age), hinted)


def _scopes(on: Rollbook, parameters: Mapping[str, str], client_id: str) -> list[str]:
    """The scopes that are wanted; of an assistant, the resource (RFC 8707). Raises OAuthRefused."""
    if is_url(client_id):
        if parameters.get("resource") not in oauth2.resources(on.settings.url):
            raise oauth2.refuse("invalid_target", f"resource must be {oauth2.resources(on.settings.url)[0]}.")
        if "none" in parameters.get("prompt", "").split():
            raise oauth2.refuse("consent_required", "The person has to be asked.")
        return [parameters["resource"]]
    scopes = [scope for scope in oauth2.SCOPES if scope in parameters.get("scope", "").split()]
    if "openid" not in scopes:
        raise oauth2.refuse("invalid_scope", "The scope openid is required.")
    return scopes


def _check_kind(parameters: Mapping[str, str]) -> None:
    """Raises OAuthRefused."""
    for name in ("request", "request_uri", "registration"):
        if name in parameters:
            raise oauth2.refuse(f"{name}_not_supported", f"{name} is not supported.")
    if "response_type" not in parameters:
        raise oauth2.refuse("invalid_request", "response_type is required.")
    if parameters["response_type"] != "code":
        raise oauth2.refuse("unsupported_response_type", "response_type must be code.")
    if parameters.get("response_mode", "query") not in ("query", "form_post"):
        raise oauth2.refuse("invalid_request", "response_mode must be query or form_post.")
    is_web = parameters["redirect_uri"].startswith(("https://", "http://"))
    if parameters.get("response_mode") == "form_post" and not is_web:
        raise oauth2.refuse("invalid_request", "response_mode form_post is for web applications.")
    if any(len(parameters.get(name, "")) > MAX_TEXT for name in ("state", "nonce")):
        raise oauth2.refuse("invalid_request", f"state and nonce have at most {MAX_TEXT} characters.")


def _challenge(parameters: Mapping[str, str], working: WorkingClient) -> str | None:
    """The challenge of PKCE, which public clients must send. Raises OAuthRefused."""
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if challenge is None:
        if working.client.public_client or method is not None:
            raise oauth2.refuse("invalid_request", "code_challenge is required.")
        return None
    if method != "S256":
        raise oauth2.refuse("invalid_request", "code_challenge_method must be S256.")
    if len(challenge) != _CHALLENGE_LENGTH:
        raise oauth2.refuse("invalid_request", "code_challenge must be a SHA-256 digest in base64url.")
    return challenge


def step(asked: Asked, session: Session | None, must_add_factor: bool) -> Step:
    """The next step. Raises OAuthRefused where no one is to be asked."""
    prompt = asked.prompt
    if session is None:
        if "none" in prompt:
            raise oauth2.refuse("login_required", "No one is signed in.")
        return "sign_in"
    is_other = asked.hinted is not None and asked.hinted != session.user_id
    is_old = not _is_recent(asked, session)
    if "none" in prompt:
        if is_other or is_old:
            raise oauth2.refuse("login_required", "The person has to sign in again.")
        if must_add_factor:
            raise oauth2.refuse("interaction_required", "The person has to set up a second factor.")
        return "answer"
    if "select_account" in prompt or is_other:
        return "choose"
    return "confirm" if is_old else "answer"


def _is_recent(asked: Asked, session: Session) -> bool:
    """Test whether the person has proven who they are as lately as the application demands."""
    since = asked.parameters.get(SINCE, "")
    proven_since = int(since) if since.isascii() and since.isdigit() and len(since) < 18 else None
    if proven_since is not None and session.proven_at >= proven_since:
        return True
    if "login" in asked.prompt or proven_since is not None:
        return False
    return asked.max_age is None or clock.now() - session.proven_at <= asked.max_age * clock.SECOND


async def target(on: Rollbook, next_path: str) -> tuple[str, str]:
    """The URL that a request in the form of a path leads to, and the name of its application; empty if there is none,
    or it may not lead there."""
    path, _, query = next_path.partition("?")
    if path != PATH:
        return "", ""
    try:
        asked = await read(on, parse_qsl(query, keep_blank_values=True))
        return asked.wanted.redirect_url, asked.name
    except Refused as refused:
        return refused.parameters["redirect_uri"], ""
    except (BadRequest, ValueError):
        return "", ""
