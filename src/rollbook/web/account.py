"""Account settings: profile, password, export and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from rollbook import clock, roles
from rollbook.actions import users
from rollbook.actions.sessions import start
from rollbook.api.show import export_document
from rollbook.errors import ApiError, NotFound, TooManyAttempts, WrongPassword
from rollbook.http.response import JSON, Response, Stream, line
from rollbook.records import sessions
from rollbook.web import browsers
from rollbook.web.sign_in import sentence
from rollbook.web.visit import PRIVATE, SAFE, Visit

LABELS = {
    "password": "The new password",
    "current_password": "Your current password",
    "name": "The name",
    "email": "The email address",
}


async def show(visit: Visit) -> Response:
    return _page(visit)


async def change_profile(visit: Visit) -> Response:
    given = {name: visit.form.get(name, "").strip() for name in ("name", "email")}
    try:
        await visit.api("PATCH", "/v1/users/me", given)
    except ApiError as error:
        return _page(visit, error.status, given=given, problems=problems(visit, error, LABELS))
    return visit.redirect("/account", "profile-saved")


async def change_password(visit: Visit) -> Response:
    """Changing the password ends all sessions. This browser gets a new one, so that only the others are signed out."""
    given = {name: visit.form.get(name, "") for name in ("password", "current_password")}
    try:
        await visit.api("PUT", "/v1/users/me/password", given)
    except ApiError as error:
        found = {"current_password": refusal(error)} if is_refusal(error) else problems(visit, error, LABELS)
        return _page(visit, error.status, headers=retry_after(error), password_problems=found)
    signed_in = await start(visit.services, visit.by, visit.me.user.id, visit.browser)
    return visit.redirect("/account", "password-changed", visit.cookie(signed_in.token))


async def export(visit: Visit) -> Response:
    """All data about the person, as a file."""
    held = await users.export(visit.services, visit.by, visit.me.user.id)
    name = f"rollbook-{visit.me.user.id}-{datetime.fromtimestamp(clock.now() / clock.SECOND, UTC):%Y-%m-%d}.json"
    head = JSON + PRIVATE + SAFE + line("Content-Disposition", f'attachment; filename="{name}"')
    return Response(200, head, stream=Stream(export_document(held, indented=True)))


# ---- sessions


async def show_sessions(visit: Visit) -> Response:
    found = await _sessions(visit)
    return visit.render(
        "account/sessions.html",
        section="account/sessions",
        sessions=found,
        others=len(found) - 1,
        browser=browsers.name,
        idle=_hours(visit.services.settings.session_idle_timeout),
        lifetime=_hours(visit.services.settings.session_lifetime),
    )


async def end_session(visit: Visit) -> Response:
    id = visit.ids[0]
    if id == visit.me.session.id:
        raise NotFound("You are using this session. To end it, sign out.")
    if id not in {session.id for session in await _sessions(visit)}:
        raise NotFound("This session has already ended.")
    await visit.api("DELETE", f"/v1/sessions/{id}")
    return visit.redirect("/account/sessions", "session-ended")


async def end_others(visit: Visit) -> Response:
    for session in await _sessions(visit):
        if session.id != visit.me.session.id:
            with suppress(NotFound):  # it has just expired
                await visit.api("DELETE", f"/v1/sessions/{session.id}")
    return visit.redirect("/account/sessions", "sessions-ended")


async def _sessions(visit: Visit) -> list[sessions.Session]:
    """This session first, then the others, last seen first."""
    lifetime = visit.services.session_lifetime
    found = await sessions.of_user(visit.db, visit.me.user.id, lifetime)
    return sorted(found, key=lambda session: (session.id != visit.me.session.id, -session.last_seen_at))


# ---- problems of forms


def problems(visit: Visit, error: ApiError, labels: dict[str, str]) -> dict[str, str]:
    """Like `visit.problems`, but with the field names of the form."""
    found = visit.problems(error)
    return (
        {name: _named(text, name, labels) for name, text in found.items()}
        if error.faults or error.param
        else {"": sentence(error)}
    )


def is_refusal(error: ApiError) -> bool:
    """Whether the password was refused."""
    return isinstance(error, (WrongPassword, TooManyAttempts))


def refusal(error: ApiError) -> str:
    """The problem to show next to the password."""
    return "Incorrect password." if isinstance(error, WrongPassword) else sentence(error)


def retry_after(error: ApiError) -> bytes:
    wait = error.headers.get("Retry-After")
    return b"" if wait is None else line("Retry-After", wait)


def _hours(hours: int) -> str:
    """`1 hour`, `14 days`."""
    number, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _named(text: str, name: str, labels: dict[str, str]) -> str:
    if name in labels and text.startswith(name + " "):
        return labels[name] + text[len(name) :]
    return text


def _page(
    visit: Visit,
    status: int = 200,
    *,
    headers: bytes = b"",
    given: Mapping[str, str] | None = None,
    problems: Mapping[str, str] = {},
    password_problems: Mapping[str, str] = {},
) -> Response:
    user = visit.me.user
    return visit.render(
        "account/profile.html",
        status,
        headers=headers,
        section="account",
        user=user,
        role_text=roles.ROLES[user.role],
        given=given or {"name": user.name, "email": user.email},
        least=visit.services.settings.password_min_length,
        problems=problems,
        password_problems=password_problems,
    )
