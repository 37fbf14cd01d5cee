"""Seals the secrets of webhooks, the values of their headers and the URLs of chats, each bound to its webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.delivery import signing
from rollbook.records import webhooks
from rollbook.records.webhooks import Webhook

SEALED: Purpose = "webhooks"


class Unsealed(NamedTuple):
    """URL, headers and secrets to send an event with."""

    headers: list[tuple[str, str]]
    secrets: list[bytes]
    """The keys that sign it, the current one first."""
    url: str


def sealed_secret(secret: Secret, webhook_id: str, text: str) -> bytes:
    return secret.seal(SEALED, text.encode(), webhook_id.encode())


def revealed(secret: Secret, webhook: Webhook) -> str:
    """The current secret. ValueError if the server's secret has changed since."""
    return secret.unseal(SEALED, webhook.secret, webhook.id.encode()).decode()


def sealed_header(secret: Secret, webhook_id: str, name: str, value: str) -> bytes:
    return secret.seal(SEALED, value.encode(), f"{webhook_id} {name}".encode())


def merged_headers(
    secret: Secret, webhook_id: str, kept: Mapping[str, bytes], changes: Mapping[str, str | None]
) -> dict[str, bytes]:
    """The headers with these changes, sealed; None removes one. Names ignore case."""
    changed = {name.lower() for name in changes}
    return {
        **{name: value for name, value in kept.items() if name.lower() not in changed},
        **{
            name: sealed_header(secret, webhook_id, name, value) for name, value in changes.items() if value is not None
        },
    }


def unsealed(secret: Secret, webhook: Webhook) -> Unsealed:
    """ValueError if the server's secret has changed since."""
    headers = [
        (name, secret.unseal(SEALED, value, f"{webhook.id} {name}".encode()).decode())
        for name, value in webhooks.sealed_headers(webhook).items()
    ]
    keys = [signing.key(revealed(secret, webhook))]
    if webhook.old_secret is not None and (webhook.old_secret_until or 0) > clock.now():
        keys.append(signing.key(secret.unseal(SEALED, webhook.old_secret, webhook.id.encode()).decode()))
    return Unsealed(headers, keys, opened_url(secret, webhook))


def opened_url(secret: Secret, webhook: Webhook) -> str:
    """ValueError if the server's secret has changed since."""
    if webhook.sealed_url is None:
        return webhook.url
    return secret.unseal(SEALED, webhook.sealed_url, _of_url(webhook.id)).decode()


def stored_url(secret: Secret, webhook_id: str, url: str, format: str) -> dict[str, Any]:
    """Columns for a URL: as it is, or masked and sealed."""
    if url == webhooks.INBOX or format not in webhooks.CHATS:
        return {"url": url, "sealed_url": None}
    return {
        "url": webhooks.masked_url(url),
        "sealed_url": secret.seal(SEALED, url.encode(), _of_url(webhook_id)),
    }


def _of_url(webhook_id: str) -> bytes:
    return f"{webhook_id}\nurl".encode()  # no header has such a name


def sealed_again(secret: Secret, webhook: Webhook) -> Webhook:
    """The same with all that a former secret of the server has sealed sealed with the current one, and the URL of a
    chat sealed."""

    def again(sealed: bytes, associated: bytes) -> bytes:
        return secret.sealed_again(SEALED, sealed, associated) or sealed

    id, old, url = webhook.id, webhook.old_secret, webhook.sealed_url
    headers = {name: again(each, f"{id} {name}".encode()) for name, each in webhooks.sealed_headers(webhook).items()}
    return webhook._replace(
        secret=again(webhook.secret, id.encode()),
        old_secret=None if old is None else again(old, id.encode()),
        headers=webhooks.kept_headers(headers),
        **(
            stored_url(secret, id, webhook.url, webhook.format)
            if url is None
            else {"sealed_url": again(url, _of_url(id))}
        ),
    )
