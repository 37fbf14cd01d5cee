"""Pages about the settings that owners change here: the mail server with a test of it, how each kind of mail looks and
every attempt to send one; and the brand, with an upload of its logo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, get_args
from urllib.parse import urlencode

from rollbook import colors, logos
from rollbook.actions import mails, stored_settings
from rollbook.actions.permissions import require_proof
from rollbook.actions.stored_settings import BRAND, MAIL
from rollbook.config import Source
from rollbook.delivery import mails as mail_delivery
from rollbook.delivery import outcomes
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import PRIVATE, Response, line
from rollbook.languages import NAMES, named
from rollbook.mailing import TLS, MailServer
from rollbook.records import users as user_records
from rollbook.web import forms, uploads
from rollbook.web.page_request import GUARDS, HTML, PageRequest, whole_number

DASHBOARD = "dashboard"
"""Origin of a setting that was stored here."""
LABELS = {
    "smtp": "The mail server",
    "host": "The server",
    "port": "The port",
    "user": "The user",
    "password": "The password",
    "mail_from": "The sender",
    "brand_name": "The name",
    "brand_logo": "The logo",
}


async def sources(page: PageRequest) -> list[Source]:
    """All settings in force, each with where it was set."""
    await stored_settings.refresh(page.on)
    stored = page.on.stored
    return [
        Source(source.name, stored[source.name], DASHBOARD) if source.name in stored else source
        for source in (await page.on.operations.about()).sources
    ]


def where(source: Source) -> str:
    """The place where a setting was set, for people."""
    return f"--{source.name.replace('_', '-')}" if source.origin == "flag" else source.origin


async def _fixed(page: PageRequest, names: Sequence[str]) -> dict[str, str]:
    """Settings that can't be changed here, each with where it was set."""
    stated = page.on.configured.stated
    return {source.name: where(source) for source in await sources(page) if source.name in stated.intersection(names)}


# ---- mail

MAILS_SHOWN = 50
MAIL_KINDS = [(kind, kind.replace("_", " ").capitalize().replace("Sign in", "Sign-in")) for kind in mail_delivery.KINDS]
"""The kinds of mail, with their names on the page."""
# A mail shows itself and nothing else: no scripts, no forms, nothing loaded (CSP level 3).
SANDBOX = (
    b"Content-Security-Policy: sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action "
    b"'none'; base-uri 'none'; frame-ancestors 'none'\r\n"
)
NO_SERVER = MailServer("", 587, "starttls")


async def show_mail(
    page: PageRequest, form: Mapping[str, Any] | None = None, problems: Mapping[str, str] = {}, result: str = ""
) -> Response:
    """The attempts newest first. `form` is what was filled in; `result` how a test of it ended."""
    fixed = await _fixed(page, MAIL)
    settings = page.on.settings
    before = page.query.get("before") or None
    batch = await mails.list_attempts(page.on, page.by, MAILS_SHOWN, before)
    people = await user_records.emails(page.on.db, [*{item.user_id for item in batch.items if item.user_id}])
    server = MailServer.parse(settings.smtp) if settings.smtp else None
    kept = {**(server or NO_SERVER)._asdict(), **{name: getattr(settings, name) for name in MAIL}}
    return page.render(
        "admin/mail.html",
        section="admin/server/mail",
        settings=settings,
        server=server,
        fixed=fixed,
        given={**kept, **(form or {}), "password": ""},
        problems=problems,
        result=result,
        may_change=page.is_for("owner"),
        template_problems=mails.problems(settings),
        attempts=[(item, outcomes.describe_mail(item.outcome)) for item in batch.items],
        emails=people,
        kinds=MAIL_KINDS,
        languages=list(NAMES.items()),
        newest="/admin/server/mail" if before else None,
        older=f"/admin/server/mail?{urlencode({'before': batch.items[-1].id})}" if batch.more else None,
    )


def _mail_changes(page: PageRequest) -> dict[str, str]:
    """The settings that the form stands for. Raises InvalidParameter."""
    form = page.form
    changes = {name: form[name].strip() for name in ("mail_from", "mail_reply_to") if name in form}
    if "host" in form:
        host, user = form["host"].strip(), form.get("user", "").strip()
        tls = next((tls for tls in get_args(TLS) if tls == form.get("tls")), NO_SERVER.tls)
        port = whole_number(form.get("port", ""), 5) or 0
        changes["smtp"] = stored_settings.smtp_of(page.on, MailServer(host, port, tls, user, form.get("password", "")))
    return changes


async def save_mail(page: PageRequest) -> Response:
    try:
        await stored_settings.refresh(page.on)
        await stored_settings.save(page.on, page.by, _mail_changes(page))
    except ApiError as error:
        return await show_mail(page, page.form, forms.problems(page, error, LABELS))
    return page.redirect("/admin/server/mail", "settings-saved")


async def send_test_mail(page: PageRequest) -> Response:
    """Send a test to the person who asks for it: with what is in the form of the mail server and not stored yet or,
    from that of the kinds, as mail is sent now."""
    form, problems, result = page.form, {}, ""
    kind = form.get("kind", "test")
    if kind not in mail_delivery.KINDS:
        raise NotFound()
    try:
        await stored_settings.refresh(page.on)
        tried = None if "kind" in form else await stored_settings.tried(page.on, page.by, _mail_changes(page))
        sent = await mails.send_test(page.on, page.by, kind, named(form.get("lang", "")), tried)
        said = f"{outcomes.describe_mail(sent.outcome)} {sent.detail or ''}".rstrip()
        if sent.outcome == outcomes.DELIVERED:
            result = f"{said} It is on its way to {page.me.user.email}: look for it in your inbox, or among the spam."
        else:
            problems = {"": f"{MailServer.parse((tried or page.on.settings).smtp).address}: {said}"}
    except ApiError as error:
        problems = forms.problems(page, error, LABELS)
    if page.is_htmx:
        return page.render("admin/mail_tried.html", result=result, problems=problems)
    return await show_mail(page, form, problems, result)


async def preview_mail(page: PageRequest) -> Response:
    """A kind of mail about someone made up, as HTML or, with `part=text`, as text. Raises NotFound."""
    kind = page.query.get("kind", "")
    if kind not in mail_delivery.KINDS:
        raise NotFound()
    rendered = mails.preview(page.on, page.by, kind, named(page.query.get("lang", "")))
    if page.query.get("part") == "text":
        head = line("Content-Type", "text/plain; charset=utf-8")
        return Response(200, head + PRIVATE + SANDBOX + GUARDS, f"{rendered.subject}\n\n{rendered.text}".encode())
    return shown_mail(rendered)


def shown_mail(mail: mail_delivery.Rendered) -> Response:
    return Response(200, HTML + PRIVATE + SANDBOX + GUARDS, mail.html.encode())


# ---- the brand


async def show_brand(page: PageRequest) -> Response:
    require_proof(page.by)  # now, as a logo that was sent could not be sent again
    return await _brand_page(page)


async def _brand_page(
    page: PageRequest, form: Mapping[str, str] | None = None, problems: Mapping[str, str] = {}
) -> Response:
    fixed = await _fixed(page, BRAND)
    given = {name: getattr(page.on.settings, name) for name in BRAND}
    given |= {
        "brand_color": given["brand_color"] or colors.ACCENT,
        "brand_support": given["brand_support"].removeprefix("mailto:"),
    }
    return page.render(
        "admin/brand.html",
        section="admin/server/brand",
        fixed=fixed,
        given={**given, **(form or {})},
        logo=logos.named(given["brand_logo"]),
        problems=problems,
    )


async def save_brand(page: PageRequest) -> Response:
    fields: Mapping[str, str] = {}
    try:
        upload = await uploads.receive(page.request)
        fields = upload.fields
        content = b""
        async with aclosing(upload.file) as file:
            async for chunk in file:
                content += chunk
        changes = {name: fields[name].strip() for name in BRAND if name in fields}
        if changes.get("brand_color") == colors.ACCENT:
            changes["brand_color"] = ""
        if "@" in (support := changes.get("brand_support", "")) and ":" not in support:
            changes["brand_support"] = f"mailto:{support}"
        if content or "remove_logo" in fields:
            changes["brand_logo"] = logos.setting(content) if content else ""
        await stored_settings.save(page.on, page.by, changes)
    except ApiError as error:
        return await _brand_page(page, fields, forms.problems(page, error, LABELS))
    return page.redirect("/admin/server/brand", "settings-saved")
