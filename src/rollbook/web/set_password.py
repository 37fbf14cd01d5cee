"""The page behind a link with which a password is set once."""

from __future__ import annotations

from rollbook.auth import tokens
from rollbook.errors import ApiError, NotFound
from rollbook.http.response import Response, line
from rollbook.records import password_links, rules, users
from rollbook.records.users import User
from rollbook.storage.database import Tx
from rollbook.web.sign_in import sentence, start
from rollbook.web.visit import Visit


async def show(visit: Visit) -> Response:
    """The form. Opening it uses nothing up: programs that show mail open links too."""
    token = visit.query.get("token", "")
    user = await _user(visit, token)
    return _dead(visit) if user is None else _form(visit, token, user)


async def set_password(visit: Visit) -> Response:
    """The password is set, the link used up, the person signed in, and shown where the API keys are."""
    form = visit.form
    token, password = form.get("token", ""), form.get("password", "")
    user = await _user(visit, token)
    if user is None:
        return _dead(visit)
    try:
        # Before anything is hashed: only who has a link makes the server work.
        rules.password(password, visit.services.settings.password_min_length, email=user.email, name=user.name)
    except ValueError as problem:
        return _form(visit, token, user, 400, problems={"password": str(problem)})
    if form.get("again", "") != password:
        return _form(visit, token, user, 400, problems={"again": "The passwords don’t match."})
    text = tokens.mint()
    try:
        hash = await visit.services.passwords.hash(password)
        digests = tokens.digest(token), tokens.digest(text)
        is_signed_in = await visit.db.write(_set_password, visit, *digests, hash)
    except NotFound:
        return _dead(visit)  # another one who has the link was faster
    except ApiError as error:
        visit.problems(error)
        headers = b"".join([line(name, value) for name, value in error.headers.items()])
        return _form(visit, token, user, error.status, headers=headers, problems={"": sentence(error)})
    if not is_signed_in:
        return visit.redirect("/account/sign-in", "password-set-only")
    return visit.redirect("/account/keys", "password-set", visit.cookie(text))


async def _set_password(tx: Tx, visit: Visit, link: bytes, session: bytes, hash: str) -> bool:
    """All of it, or nothing. Whether the person is signed in, which those whose role may not are not. Raises NotFound, UserSuspended."""
    user_id = await password_links.use(tx, link)
    if user_id is None:
        raise NotFound()
    user = await users.set_password(tx, user_id, hash, visit.actor._replace(user_id=user_id))
    if user.status == "active" and user.role not in visit.services.settings.sign_in_roles:
        return False
    await start(tx, visit, session, user_id)
    return True


async def _user(visit: Visit, token: str) -> User | None:
    """Whose link it is, None when it is nobody's any longer."""
    id = await password_links.user_of(visit.db, tokens.digest(token))
    return None if id is None else await users.by_id(visit.db, id)


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
