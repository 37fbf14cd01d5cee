"""`rollbook webhooks`: webhooks of a running server, and events for a program on this machine that no webhook can
reach."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from rollbook.actions.arguments import events as event_arguments
from rollbook.actions.arguments import passwords as password_arguments
from rollbook.actions.arguments import webhooks as webhook_arguments
from rollbook.cli import forwarding, options
from rollbook.cli.backends import PAGED, Backend, Shown, at
from rollbook.cli.completion import objects
from rollbook.cli.fields import Fields, as_query
from rollbook.cli.output import Failure, as_json, bar, hint, json_line, line, listed, looks, shown
from rollbook.delivery import outcomes

if TYPE_CHECKING:
    from rollbook.cli.remote import Remote

REPLAYS = ("replays", "show-replay", "cancel-replay")
app = options.group("Create, test and replay webhooks, and forward events to a program on this machine.", REPLAYS)

COLUMNS = ("id", "url", "types", "status", "delivered", "failed", "waiting", "next_attempt_at", "summary")
SPARE = ("summary", "next_attempt_at", "types", "delivered")
DELIVERY_COLUMNS = ("id", "created_at", "type", "outcome", "attempt", "trigger", "duration_ms", "retry_at", "event_id")
DELIVERY_SPARE = ("event_id", "duration_ms", "trigger", "retry_at", "attempt", "id")
REPLAY_COLUMNS = ("id", "created_at", "status", "progress", "delivered", "failed", "from", "to")

WEBHOOKS, ONE = "/v1/webhooks", "/v1/webhooks/{webhookId}"
DELIVERY, REPLAY = ONE + "/deliveries/{deliveryId}", ONE + "/replays/{replayId}"
WEBHOOK_ID = options.argument("webhook_id", "WEBHOOK_ID", shell_complete=objects(WEBHOOKS, "id", "url"))
DELIVERY_ID = options.argument("delivery_id", "DELIVERY_ID")
REPLAY_ID = options.argument("replay_id", "REPLAY_ID")
QUIET_SECRET = options.option("--quiet -q", "Print only the secret.")
FORWARD_TO = options.option(
    "--forward-to",
    "Where to send events, such as http://127.0.0.1:3000/hook. Plain http to this machine and private networks only.",
    metavar="URL",
    required=True,
)
SECRET = options.option(
    "--secret",
    "The secret to sign with, whsec_…; a new one is printed by default. [env: ROLLBOOK_WEBHOOK_SECRET]",
    metavar="SECRET",
)


# ---- the webhooks of a server


@options.on_server(
    app,
    "list",
    options.limit("webhooks", default=None),
    options.JSON,
    options.QUIET,
    fields=webhook_arguments.ListWebhooks,
    call=("GET", WEBHOOKS),
    elsewhere=PAGED,
)
def list_webhooks(server: options.Server, fields: Fields, limit: int | None, json: bool, quiet: bool) -> None:
    """List webhooks, oldest first: your own or, for admins, all. The counts are of the last 24 hours."""
    with server() as backend:
        webhooks = backend.all(WEBHOOKS, fields.sent(backend), limit)
        empty = f"No webhooks yet. To create one: {backend.command('webhooks', 'create', 'https://example.com/hook')}"
        listed(webhooks, COLUMNS, json, quiet, row=_with_health, spare=SPARE, empty=empty)
        if not json and not quiet and sys.stdout.isatty():  # where the column is hardly ever wide enough
            for webhook in filter(_needs_attention, webhooks):
                hint(f"{webhook['id']}: {webhook['health']['summary']}")


@options.on_server(
    app,
    "create",
    options.argument("target", "URL"),
    options.JSON,
    options.QUIET,
    fields=webhook_arguments.WebhookCreate,
    call=("POST", WEBHOOKS),
    elsewhere={"url": "URL"},
)
def create_webhook(server: options.Server, fields: Fields, target: str, json: bool, quiet: bool) -> None:
    """Create a webhook and print its secret. The URL `inbox` is the inbox in the dashboard."""
    with server() as backend:
        if "user_id" not in fields and backend.is_operator:
            raise Failure("Add --user: a webhook belongs to a user. It stops when they can no longer read events.")
        webhook = backend.one("POST", WEBHOOKS, body={"url": target, **fields.sent(backend)})
        _show(webhook, backend, json, quiet)
        if not json and not quiet:
            hint(f"\nSend a test event:\n\n  {backend.command('webhooks', 'test', webhook['id'])}")


@options.on_server(app, "get", WEBHOOK_ID, options.JSON, call=("GET", ONE))
def get_webhook(server: options.Server, webhook_id: str, json: bool) -> None:
    """Show a webhook and how its deliveries are going."""
    with server() as backend:
        _show(backend.one("GET", at("webhooks", webhook_id)), backend, json, False)


@options.on_server(
    app,
    "set",
    WEBHOOK_ID,
    options.JSON,
    options.QUIET,
    fields=webhook_arguments.WebhookUpdate,
    call=("PATCH", ONE),
    flags={"url": "target"},
)
def set_webhook(server: options.Server, fields: Fields, webhook_id: str, json: bool, quiet: bool) -> None:
    """Update a webhook. Other fields and headers are left unchanged."""
    fields.require_any()
    with server() as backend:
        _show(backend.one("PATCH", at("webhooks", webhook_id), body=fields.sent(backend)), backend, json, quiet)


@options.on_server(
    app,
    "reveal",
    WEBHOOK_ID,
    options.OWN_PASSWORD,
    options.JSON,
    QUIET_SECRET,
    fields=password_arguments.PasswordProof,
    call=("POST", ONE + "/reveal"),
    previews=False,
    elsewhere={"password": "--password"},
    running=True,
)
def reveal_secret(
    server: options.Running, fields: Fields, webhook_id: str, password: str, json: bool, quiet: bool
) -> None:
    """Print the secret of a webhook. Requires your password, and is recorded in the event log."""
    with server() as backend:
        proof = {"password": options.current_password(password), **fields.sent(backend)}
        _show_secret(backend.one("POST", at("webhooks", webhook_id, "reveal"), body=proof), backend, json, quiet)


@options.on_server(
    app,
    "rotate-secret",
    WEBHOOK_ID,
    options.JSON,
    QUIET_SECRET,
    fields=webhook_arguments.WebhookRotation,
    call=("POST", ONE + "/rotate-secret"),
)
def rotate_secret(server: options.Server, fields: Fields, webhook_id: str, json: bool, quiet: bool) -> None:
    """Rotate the secret of a webhook, and print the new one. The old one signs for a day as well, or for --overlap."""
    with server() as backend:
        done = backend.one("POST", at("webhooks", webhook_id, "rotate-secret"), body=fields.sent(backend))
        _show_secret(done, backend, json, quiet)


@options.on_server(app, "delete", WEBHOOK_ID, options.QUIET, call=("DELETE", ONE))
def delete_webhook(server: options.Server, webhook_id: str, quiet: bool) -> None:
    """Delete a webhook and its deliveries. To keep it for later, pause it instead."""
    with server() as backend:
        backend.ask("DELETE", at("webhooks", webhook_id))
        line(webhook_id) if quiet else hint(f"Deleted {webhook_id}.")


def _show(webhook: Shown, backend: Backend, json: bool, quiet: bool) -> None:
    shown(webhook if json or quiet else backend.with_names(_with_health(webhook), "user_id", "created_by"), json, quiet)


def _show_secret(webhook: Shown, backend: Backend, json: bool, quiet: bool) -> None:
    line(webhook["secret"]) if quiet else _show(webhook, backend, json, False)


def _with_health(webhook: Shown) -> Shown:
    """Return the webhook with the counts beside the fields."""
    columns = {**webhook, **webhook["health"]}
    last = columns["last_outcome"]
    columns["last_outcome"] = None if last is None else outcomes.words(last).short
    return {name: value for name, value in columns.items() if name != "health"}


def _needs_attention(webhook: Shown) -> bool:
    health = webhook["health"]
    works = health["last_outcome"] in (None, outcomes.DELIVERED) and health["next_attempt_at"] is None
    return webhook["status"] != "enabled" or not works


def _in_words(delivery: Shown) -> Shown:
    """The delivery with its outcome as people read it."""
    return {**delivery, "outcome": outcomes.words(delivery["outcome"]).short}


# ---- deliveries


@options.on_server(
    app,
    "test",
    WEBHOOK_ID,
    options.JSON,
    fields=webhook_arguments.WebhookTest,
    call=("POST", ONE + "/test"),
    previews=False,
    running=True,
)
def send_test(server: options.Running, fields: Fields, webhook_id: str, json: bool) -> None:
    """Send an example event to a webhook and show the answer. Exits with 1 if it was not delivered."""
    with server() as backend:
        _show_test(backend.one("POST", at("webhooks", webhook_id, "test"), body=fields.sent(backend)), json)


def _show_test(delivery: Shown, json: bool) -> None:
    if json:
        as_json(delivery)
    else:
        line(forwarding.sentence(delivery))
        if text := (delivery["response"] or {}).get("body"):
            hint(text)
    if delivery["outcome"] != "delivered":
        raise click.exceptions.Exit(1)


@options.on_server(
    app,
    "deliveries",
    WEBHOOK_ID,
    options.limit("deliveries", most=1000),
    options.JSON,
    options.QUIET,
    fields=webhook_arguments.ListDeliveries,
    call=("GET", ONE + "/deliveries"),
    elsewhere={"limit": "--limit"},
)
def list_deliveries(
    server: options.Server, fields: Fields, webhook_id: str, limit: int, json: bool, quiet: bool
) -> None:
    """List the attempts to deliver events to a webhook, newest first."""
    with server() as backend:
        query = {**fields.sent(backend), "limit": limit}
        deliveries = backend.page(backend.ask("GET", at("webhooks", webhook_id, "deliveries"), query))
        empty = f"No deliveries. To send a test event: {backend.command('webhooks', 'test', webhook_id)}"
        row = _in_words if sys.stdout.isatty() else dict  # programs that read columns keep the codes
        listed(deliveries, DELIVERY_COLUMNS, json, quiet, row=row, spare=DELIVERY_SPARE, empty=empty)


@options.on_server(app, "delivery", WEBHOOK_ID, DELIVERY_ID, options.JSON, call=("GET", DELIVERY))
def get_delivery(server: options.Server, webhook_id: str, delivery_id: str, json: bool) -> None:
    """Show a delivery with what was sent and answered."""
    with server() as backend:
        delivery = backend.one("GET", at("webhooks", webhook_id, "deliveries", delivery_id))
        shown(delivery if json else _in_words(delivery), json)


@options.on_server(
    app,
    "resend",
    WEBHOOK_ID,
    DELIVERY_ID,
    options.JSON,
    options.QUIET,
    call=("POST", DELIVERY + "/resend"),
    running=True,
)
def resend_delivery(server: options.Running, webhook_id: str, delivery_id: str, json: bool, quiet: bool) -> None:
    """Send the event of a delivery again, and wait for the outcome. Exits with 1 if it was not delivered."""
    with server() as backend:
        delivery = backend.one("POST", at("webhooks", webhook_id, "deliveries", delivery_id, "resend"))
        _follow(backend, webhook_id, delivery, json, quiet)


# ---- replays


@options.on_server(
    app,
    "replay",
    WEBHOOK_ID,
    options.option("--detach", "Don't wait until it is finished."),
    options.JSON,
    options.QUIET,
    fields=webhook_arguments.ReplayCreate,
    call=("POST", ONE + "/replays"),
    running=True,
)
def replay(server: options.Running, fields: Fields, webhook_id: str, detach: bool, json: bool, quiet: bool) -> None:
    """Send a part of the event log to a webhook again.

    It goes on if you press Ctrl+C, and survives a restart of the server.
    """
    with server() as backend:
        created = backend.one("POST", at("webhooks", webhook_id, "replays"), body=fields.sent(backend))
        if detach:
            shown(created, json, quiet)
        else:
            _follow(backend, webhook_id, created, json, quiet)


def _follow(backend: Remote, webhook_id: str, replay: Shown, json: bool, quiet: bool) -> None:
    """Wait until it is finished, and show its progress to people."""
    id = replay["id"]
    with bar("Sending", 1.0) as (_, show):
        for _ in looks():
            if replay["status"] not in ("running", "waiting"):
                break
            replay = backend.one("GET", at("webhooks", webhook_id, "replays", id))
            show(replay["progress"], f"{replay['delivered']} delivered, {replay['failed']} failed")
    shown(replay, json, quiet)
    if replay["failed"] or replay["status"] != "done":
        raise click.exceptions.Exit(1)


@options.on_server(
    app,
    "replays",
    WEBHOOK_ID,
    options.limit("replays", most=1000),
    options.JSON,
    options.QUIET,
    fields=webhook_arguments.ListReplays,
    call=("GET", ONE + "/replays"),
    elsewhere={"limit": "--limit"},
)
def list_replays(server: options.Server, fields: Fields, webhook_id: str, limit: int, json: bool, quiet: bool) -> None:
    """List the replays of a webhook, newest first."""
    with server() as backend:
        query = {**fields.sent(backend), "limit": limit}
        replays = backend.page(backend.ask("GET", at("webhooks", webhook_id, "replays"), query))
        empty = f"No replays. To send events again: {backend.command('webhooks', 'replay', webhook_id)}"
        listed(replays, REPLAY_COLUMNS, json, quiet, spare=("to", "from"), empty=empty)


@options.on_server(app, "show-replay", WEBHOOK_ID, REPLAY_ID, options.JSON, call=("GET", REPLAY))
def get_replay(server: options.Server, webhook_id: str, replay_id: str, json: bool) -> None:
    """Show a replay and how far it is."""
    with server() as backend:
        shown(backend.one("GET", at("webhooks", webhook_id, "replays", replay_id)), json)


@options.on_server(app, "cancel-replay", WEBHOOK_ID, REPLAY_ID, options.QUIET, call=("DELETE", REPLAY))
def cancel_replay(server: options.Server, webhook_id: str, replay_id: str, quiet: bool) -> None:
    """Cancel a replay. What it has sent stays sent."""
    with server() as backend:
        backend.ask("DELETE", at("webhooks", webhook_id, "replays", replay_id))
        line(replay_id) if quiet else hint(f"Canceled {replay_id}.")


# ---- a program on this machine


@options.on_server(
    app,
    "listen",
    FORWARD_TO,
    SECRET,
    options.JSON_LINES,
    fields=event_arguments.FollowEvents,
    call=("GET", "/v1/events/stream"),
)
def listen(server: options.Server, fields: Fields, forward_to: str, secret: str | None, json: bool) -> None:
    """Forward events to a program on this machine, as a webhook would send them, until you press Ctrl+C.

    The server needs no way to reach the program: this command follows the event log and sends each event itself,
    signed, one after another. It doesn't try again.
    """
    with server() as backend, forwarding.to(forward_to, _secret(secret)) as forward:
        query = as_query(fields.sent(backend))
        hint(f"Secret: {forward.secret}\nForwarding events of {backend.address} to {forward_to}. Press Ctrl+C to stop.")
        for event in backend.events(query):
            result = forward.send(event)
            json_line(result) if json else line(forwarding.sentence(result))
            sys.stdout.flush()


@options.command(app, "trigger", options.argument("type", "TYPE"), FORWARD_TO, SECRET, options.JSON)
def trigger(type: str, forward_to: str, secret: str | None, json: bool) -> None:
    """Send an example event to a program on this machine, without a server, and show the answer.

    Exits with 1 if it was not delivered.
    """
    example = forwarding.example(type)
    with forwarding.to(forward_to, _secret(secret)) as forward:
        if _secret(secret) is None and not json:
            hint(f"Secret: {forward.secret}")
        _show_test(forward.send(example), json)


def _secret(option: str | None) -> str | None:
    return option or os.environ.get("ROLLBOOK_WEBHOOK_SECRET")
