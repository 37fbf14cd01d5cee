"""The page behind setup and password reset links."""

from __future__ import annotations

from rollbook.actions import sessions
from rollbook.errors import ApiError, NotFound
from rollbook.http.response import Response, line
from rollbook.records import rules
from rollbook.records.users import User
from rollbook.web.sign_in import sentence
from rollbook.web.visit import Visit


async def show(visit: Visit) -> Response:
    """The form. Opening it doesn't use up the link: mail programs open links too."""
    token = visit.query.get("token", "")
    user = await sessions.user_of_link(visit.services, token)
    return _dead(visit) if user is None else _form(visit, token, user)


async def set_password(visit: Visit) -> Response:
    """Set the password, use up the link, sign the person in, and show their API keys."""
    form = visit.form
    token, password = form.get("token", ""), form.get("password", "")
    user = await sessions.user_of_link(visit.services, token)
    if user is None:
        return _dead(visit)
    try:
        # Before anything is hashed: only people with a link can make the server work.
        rules.password(password, visit.services.settings.password_min_length, email=user.email, name=user.name)
    except ValueError as problem:
        return _form(visit, token, user, 400, problems={"password": str(problem)})
    if form.get("again", "") != password:
        return _form(visit, token, user, 400, problems={"again": "The passwords don’t match."})
    try:
        signed_in = await sessions.use_link(visit.services, visit.by, token, password, visit.browser)
    except NotFound:
        return _dead(visit)  # someone else used the link in the meantime
    except ApiError as error:
        visit.problems(error)
        headers = b"".join([line(name, value) for name, value in error.headers.items()])
        return _form(visit, token, user, error.status, headers=headers, problems={"": sentence(error)})
    if signed_in is None:
        return visit.redirect("/account/sign-in", "password-set-only")
    return visit.redirect("/account/keys", "password-set", visit.cookie(signed_in.token))


def _form(
    visit: Visit,
    token: str,
    user: User,
    status: int = 200,
    *,
    headers: bytes = b"",
    problems: dict[str, str] | None = None,
) -> Response:
    return visit.render(
        "sign_in/set_password.html",
        status,
        secret=True,
        headers=headers,
        section="sign-in",
        token=token,
        user=user,
        least=visit.services.settings.password_min_length,
        problems=problems or {},
    )


def _dead(visit: Visit) -> Response:
    return visit.render("sign_in/link_dead.html", 404, secret=True, section="sign-in")
