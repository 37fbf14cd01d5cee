"""The signing secret of a webhook: revealing and rotating it, and the page that shows it."""

from __future__ import annotations

from rollbook.actions import webhooks
from rollbook.actions.arguments import PasswordProof, WebhookRotation
from rollbook.actions.webhooks import WebhookDetails
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.web import forms, shown_once
from rollbook.web.account.webhooks import path, refused, section, title
from rollbook.web.page_request import PageRequest


def redirect(page: PageRequest, seen: WebhookDetails, how: str) -> Response:
    """To the page that shows the secret. `how` it came there: created, revealed, rotated."""
    return shown_once.redirect(page, f"{path(seen.webhook)}/secret", {"secret": seen.secret, "how": how})


async def show(page: PageRequest) -> Response:
    """Once it is too late, leads to the webhook. Raises NotFound."""
    webhook = (await webhooks.get(page.on, page.by, page.ids[0])).webhook
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(path(webhook))
    return page.render(
        "account/webhook_secret.html",
        secret=True,
        section=section(page, webhook),
        webhook=webhook,
        name=title(webhook),
        path=path(webhook),
        signing_secret=shown["secret"],
        how=shown["how"],
        minutes=shown_once.MINUTES,
    )


async def reveal(page: PageRequest) -> Response:
    try:
        proof = page.arguments(PasswordProof, {"password": page.form.get("password", "")})
        seen = await webhooks.reveal(page.on, page.by, page.ids[0], proof)
    except ApiError as error:
        return await refused(page, error, {"password": "Your password"}, proof="password")
    return redirect(page, seen, "revealed")


async def rotate(page: PageRequest) -> Response:
    rotation = WebhookRotation(overlap=forms.overlap(page.form))
    return redirect(page, await webhooks.rotate_secret(page.on, page.by, page.ids[0], rotation), "rotated")
