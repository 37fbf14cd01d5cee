"""Mail: whether it is set up, every attempt to send one, how each kind looks, and a mail that tries the settings."""

from __future__ import annotations

from urllib.parse import urlencode

from rollbook.actions import mails
from rollbook.delivery import mails as mail_delivery
from rollbook.delivery import outcomes
from rollbook.errors import NotFound
from rollbook.http.request import PRIVATE, Response, line
from rollbook.languages import NAMES, named
from rollbook.mailing import MailServer
from rollbook.records import users as user_records
from rollbook.web.page_request import GUARDS, HTML, PageRequest

PAGE = 50
KINDS = [(kind, kind.replace("_", " ").capitalize().replace("Sign in", "Sign-in")) for kind in mail_delivery.KINDS]
"""The kinds of mail, with their names on the page."""
# A mail shows itself and nothing else: no scripts, no forms, nothing loaded (CSP level 3).
SANDBOX = (
    b"Content-Security-Policy: sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action "
    b"'none'; base-uri 'none'; frame-ancestors 'none'\r\n"
)


async def show(page: PageRequest) -> Response:
    """Newest first."""
    settings = page.on.settings
    before = page.query.get("before") or None
    found = await mails.list_attempts(page.on, page.by, PAGE, before)
    people = await user_records.emails(page.on.db, [*{each.user_id for each in found.items if each.user_id}])
    return page.render(
        "admin/mail.html",
        section="admin/server",
        settings=settings,
        server=MailServer.parse(settings.smtp) if settings.smtp else None,
        problems=mails.problems(settings),
        attempts=[(each, outcomes.describe_mail(each.outcome)) for each in found.items],
        emails=people,
        kinds=KINDS,
        languages=list(NAMES.items()),
        newest="/admin/server/mail" if before else None,
        older=f"/admin/server/mail?{urlencode({'before': found.items[-1].id})}" if found.more else None,
    )


async def preview(page: PageRequest) -> Response:
    """A kind of mail about someone made up, as HTML or, with `part=text`, as text. Raises NotFound."""
    kind = page.ids[0]
    if kind not in mail_delivery.KINDS:
        raise NotFound()
    language = named(page.query.get("lang", "")) or page.on.settings.language
    rendered = mails.preview(page.on, page.by, kind, language)
    if page.query.get("part") == "text":
        head = line("Content-Type", "text/plain; charset=utf-8")
        return Response(200, head + PRIVATE + SANDBOX + GUARDS, f"{rendered.subject}\n\n{rendered.text}".encode())
    return Response(200, HTML + PRIVATE + SANDBOX + GUARDS, rendered.html.encode())


async def send_test(page: PageRequest) -> Response:
    """Send a test to the person who asks for it."""
    kind = page.form.get("kind", "test")
    if kind not in mail_delivery.KINDS:
        raise NotFound()
    sent = await mails.send_test(page.on, page.by, kind)
    if sent.outcome == outcomes.DELIVERED:
        return page.redirect("/admin/server/mail", "mail-sent")
    told = outcomes.describe_mail(sent.outcome)
    return page.render(
        "admin/mail_failed.html", 200, section="admin/server", told=told, detail=sent.detail, outcome=sent.outcome
    )
