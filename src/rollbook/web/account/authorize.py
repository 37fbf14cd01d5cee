"""Sign-in to applications: the page that a person is sent to by one, and back from; and sign-out on behalf of one."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from rollbook import clock
from rollbook.actions import authorization, clients, oauth2, second_factors
from rollbook.actions.authorization import Asked
from rollbook.errors import BadRequest, OAuthRefused
from rollbook.http.request import Response
from rollbook.languages import named
from rollbook.web.account.sign_in import FORGET_PAGES, policy_of
from rollbook.web.page_request import PageRequest

CONFIRM, SECURITY, SIGN_IN = "/account/confirm", "/account/security", "/account/sign-in"
CONSENT = "/account/assistants/consent"
HERE = ("lang", authorization.SINCE)
"""Parameters that are ours."""


async def show(page: PageRequest) -> Response:
    """Leads back to the application with a code, or with an error; or to what comes before that."""
    try:
        asked = await authorization.read(page.on, _pairs(page.request.query))
    except authorization.Refused as refused:
        return answered(page, refused.parameters, _error(refused.error))
    if asked.is_assistant:
        return page.redirect(f"{CONSENT}?{urlencode({'next': asked.again()})}")
    try:
        return await _next(page, asked)
    except OAuthRefused as error:
        return answered(page, asked.parameters, _error(error))


async def repeat(page: PageRequest) -> Response:
    """A request that was sent as a form goes on as a link, since browsers send no cookies with forms of other sites."""
    return page.redirect(f"{page.request.path}?{urlencode(page.fields)}")


async def _next(page: PageRequest, asked: Asked) -> Response:
    """Raises OAuthRefused."""
    person = page.person
    acts = person is not None and person.acting is not None
    duty = None if person is None or acts else await second_factors.duty_of(page.on, person.user)
    must_add_factor = duty is not None and duty.is_due
    step = authorization.step(asked, None if person is None else person.session, must_add_factor)
    if person is None or step == "sign_in":
        return page.redirect(_sign_in_path(asked))
    if must_add_factor:
        return page.redirect(SECURITY)
    if step == "choose":
        return _choice(page, asked)
    if step == "confirm":
        since = asked.again(prompt=None, max_age=None, **{authorization.SINCE: str(clock.now())})
        return page.redirect(f"{CONFIRM}?{urlencode({'next': since})}")
    code = await oauth2.issue_code(page.on, person.user, person.session, asked.wanted)
    if code is None:
        raise oauth2.refuse("access_denied", "This person may not sign in to this application.")
    return answered(page, asked.parameters, {"code": code})


def _sign_in_path(asked: Asked) -> str:
    """Whoever signs in has proven who they are, and chosen an account."""
    parameters = {"next": asked.again(prompt=None, max_age=None, id_token_hint=None)}
    if hint := asked.parameters.get("login_hint"):
        parameters["login_hint"] = hint
    for tag in asked.parameters.get("ui_locales", "").split()[:10]:
        if (code := named(tag)) is not None:
            parameters["lang"] = code
            break
    return f"{SIGN_IN}?{urlencode(parameters)}"


def _choice(page: PageRequest, asked: Asked) -> Response:
    prompt = " ".join(sorted(asked.prompt - {"select_account", "consent"})) or None
    after = asked.again(prompt=prompt, id_token_hint=None)
    return page.render(
        "sign_in/choose_account.html",
        section="sign-in",
        leads_to=policy_of(asked.wanted.redirect_url),
        name=asked.name,
        after=after,
        other=asked.again(prompt=None, max_age=None, id_token_hint=None),
    )


def _error(error: OAuthRefused) -> dict[str, str]:
    return {"error": error.error, "error_description": error.message}


def answered(page: PageRequest, parameters: Mapping[str, str], answer: dict[str, str]) -> Response:
    """Send the person back, with who answers (RFC 9207). The URL has been checked."""
    url = parameters["redirect_uri"]
    answer = {**answer, "iss": page.on.url}
    if "state" in parameters:
        answer["state"] = parameters["state"]
    if parameters.get("response_mode") == "form_post" and url.startswith("http"):
        return page.render(
            "sign_in/form_post.html", secret=True, section="sign-in", leads_to=policy_of(url), target=url, fields=answer
        )
    return page.leave(f"{url}{'&' if '?' in url else '?'}{urlencode(answer)}")


def _pairs(query: str) -> list[tuple[str, str]]:
    """Raises BadRequest."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise BadRequest("This sign-in is not valid URL-encoded data.") from None
    return [(name, value) for name, value in pairs if name != "lang"]


# ---- signing out


async def show_sign_out(page: PageRequest) -> Response:
    """RP-Initiated Logout: at once for who shows an ID token, and otherwise after a question."""
    query = dict(_pairs(page.request.query))
    hint = query.get("id_token_hint", "")
    asked = await oauth2.read_hint(page.on, hint) if hint else None
    if asked is None or query.get("client_id", asked.client.user_id) != asked.client.user_id:
        if page.person is None:
            return page.redirect(SIGN_IN, "signed-out")
        return page.render("sign_in/sign_out.html", section="sign-in")
    session = None if page.person is None else page.person.session
    ends_here = await oauth2.sign_out(page.on, page.by.actor, asked, session)
    headers = page.set_cookie("", 0) + FORGET_PAGES if ends_here else b""
    url = query.get("post_logout_redirect_uri", "")
    if url and clients.is_one_of(url, asked.client.post_logout_redirect_urls):
        answer = urlencode({"state": query["state"]}) if query.get("state") else ""
        return page.leave(url + (f"{'&' if '?' in url else '?'}{answer}" if answer else ""), headers)
    return page.redirect(SIGN_IN, "signed-out", headers)
