"""`rollbook webhooks`: webhooks of a running server, and events for a program on this machine that no webhook can reach."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rollbook.cli import forwarding, options
from rollbook.cli.backends import Shown, at
from rollbook.cli.failures import Failure
from rollbook.cli.output import as_json, hint, json_line, line, listed, program, shown
from rollbook.cli.progress import bar, looks

if TYPE_CHECKING:
    from rollbook.cli.remote import Remote

app = options.group(help="Create and test webhooks, send their events again, and forward events to a program on this machine.")

COLUMNS = ("id", "url", "types", "status", "delivered", "failed", "waiting", "next_attempt_at")
DELIVERY_COLUMNS = ("id", "created_at", "type", "outcome", "attempt", "trigger", "duration_ms", "retry_at", "event_id")

# fmt: off
WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK_ID", help="The ID of the webhook, as shown by `webhooks list`.")]
DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY_ID", help="The ID, as shown by `webhooks deliveries`.")]
Owner = Annotated[str | None, typer.Option("--user", metavar="EMAIL|ID", help="The user the webhooks belong to.")]
Headers = Annotated[list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="A header to send with each event, such as `Authorization: Bearer …`. Can be repeated. The server keeps values secret.")]
ForwardTo = Annotated[str, typer.Option("--forward-to", metavar="URL", help="Where to send events, such as http://127.0.0.1:3000/hook. Plain http to this machine and private networks only.")]
Secret = Annotated[str | None, typer.Option("--secret", metavar="SECRET", help="The secret to sign with, whsec_…; a new one is printed by default. [env: ROLLBOOK_WEBHOOK_SECRET]")]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="standard, cloudevents, slack, discord or teams.")]
Payload = Annotated[str, typer.Option("--payload", metavar="PAYLOAD", help="full, or thin: IDs only, so that no personal data is sent.")]
Ordering = Annotated[str, typer.Option("--ordering", metavar="ORDERING", help="user: the events of a user in order. none: in no order.")]
SkipImports = Annotated[bool, typer.Option("--skip-imports", help="Skip the events of imports, except import.finished.")]
Overlap = Annotated[str, typer.Option("--overlap", metavar="TIME", help="How long events are signed with the old secret as well; at most 30d.")]
Start = Annotated[str, typer.Option("--from", metavar="PLACE", help="cursor: send everything that happened in the meantime. now: skip it. Or an RFC 3339 time, or the ID of the first event to send.")]
ExampleType = Annotated[str, typer.Option("--type", metavar="TYPE", help="The type of the example event, such as user.created.")]
Outcome = Annotated[str | None, typer.Option("--outcome", metavar="OUTCOME", help="Only this outcome, such as timed_out, or failed for all failures.")]
Only = Annotated[str | None, typer.Option("--only", metavar="SELECTION", help="failed or undelivered events only. [default: all events]")]
# fmt: on


# ---- the webhooks of a server


@app.command("list")
@options.on_server
def list_webhooks(server: options.Server, user: Owner = None, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List webhooks, oldest first: your own or, for admins, all. The counts are of the last 24 hours."""
    with server() as place:
        found = place.all("/v1/webhooks", {} if user is None else {"user": place.user(user)["id"]})
        empty = f"No webhooks yet. To create one: {program()} webhooks create https://example.com/hook {place.place}"
        listed(found, COLUMNS, json, quiet, row=_with_health, empty=empty)


@app.command("create")
@options.on_server
def create_webhook(
    server: options.Server,
    target: Annotated[str, typer.Argument(metavar="URL", help="Where to send events; `inbox` for the inbox in the dashboard.")],
    type: options.EventTypes = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What you use the webhook for.")] = "",
    format: Format = "standard",
    payload: Payload = "full",
    ordering: Ordering = "user",
    header: Headers = None,
    skip_imports: SkipImports = False,
    user: Owner = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Create a webhook and print its secret."""
    fields: Shown = {"url": target, "description": description, "format": format, "payload": payload, "ordering": ordering}
    if skip_imports:
        fields["skip_imports"] = True
    if type:
        fields["types"] = type
    if header:
        fields["headers"] = _headers(header)
    with server() as place:
        if user is None and place.is_operator:
            raise Failure("Add --user: a webhook belongs to a user. It stops when they can no longer read events.")
        if user is not None:
            fields["user_id"] = place.user(user)["id"]
        webhook = place.one("POST", "/v1/webhooks", body=fields)
        _show(webhook, json, quiet)
        if not json and not quiet:
            hint(f"\nSend a test event:\n\n  {program()} webhooks test {webhook['id']} {place.place}")


@app.command("get")
@options.on_server
def get_webhook(server: options.Server, webhook_id: WebhookId, json: options.Json = False) -> None:
    """Show a webhook and how its deliveries are going."""
    with server() as place:
        _show(place.one("GET", at("webhooks", webhook_id)), json, False)


def _headers(given: list[str]) -> dict[str, str | None]:
    """By name. One without a value is to be removed."""
    parts = [each.partition(":") for each in given]
    if wrong := [given[at] for at, (name, colon, _) in enumerate(parts) if not name.strip() or not colon]:
        raise typer.BadParameter(f"--header: use NAME:VALUE, not {wrong[0]!r}.")
    return {name.strip(): value.strip() or None for name, _, value in parts}


@app.command("set")
@options.on_server
def set_webhook(
    server: options.Server,
    webhook_id: WebhookId,
    target: Annotated[str | None, typer.Option("--target", metavar="URL", help="Where to send events.")] = None,
    type: options.EventTypes = None,
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What you use it for.")] = None,
    payload: Annotated[str | None, typer.Option("--payload", metavar="PAYLOAD", help="full or thin.")] = None,
    header: Headers = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Update a webhook. Other fields and headers are left unchanged. A header without a value is removed."""
    given = {"url": target, "types": type, "description": description, "payload": payload, "headers": _headers(header or [])}
    changes = {name: value for name, value in given.items() if value or value == ""}
    if not changes:
        raise typer.BadParameter("Nothing to change: add --target, --type, --description, --payload or --header.")
    with server() as place:
        _show(place.one("PATCH", at("webhooks", webhook_id), body=changes), json, quiet)


@app.command("rotate-secret")
@options.on_server
def rotate_secret(
    server: options.Server,
    webhook_id: WebhookId,
    overlap: Overlap = "1d",
    json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the new secret.")] = False,
) -> None:
    """Rotate the secret of a webhook, and print the new one."""
    with server() as place:
        kept = {"overlap": options.overlap(overlap)}
        webhook = place.one("POST", at("webhooks", webhook_id, "rotate-secret"), body=kept)
        if quiet:
            line(webhook["secret"])
        else:
            _show(webhook, json, False)


@app.command("delete")
@options.on_server
def delete_webhook(server: options.Server, webhook_id: WebhookId, quiet: options.Quiet = False) -> None:
    """Delete a webhook and its deliveries. To keep it for later, pause it instead."""
    with server() as place:
        place.ask("DELETE", at("webhooks", webhook_id))
        line(webhook_id) if quiet else hint(f"Deleted {webhook_id}.")


@app.command("pause")
@options.on_server
def pause_webhook(
    server: options.Server, webhook_id: WebhookId, json: options.Json = False, quiet: options.Quiet = False
) -> None:
    """Pause a webhook. What happens meanwhile can be sent when you resume it."""
    with server() as place:
        _show(place.one("POST", at("webhooks", webhook_id, "pause")), json, quiet)


@app.command("resume")
@options.on_server
def resume_webhook(
    server: options.Server,
    webhook_id: WebhookId,
    start: Start = "cursor",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Resume a webhook after a pause, or when it was disabled."""
    with server() as place:
        _show(place.one("POST", at("webhooks", webhook_id, "resume"), body={"from": start}), json, quiet)


def _show(webhook: Shown, json: bool, quiet: bool) -> None:
    shown(webhook if json else _with_health(webhook), json, quiet)


def _with_health(webhook: Shown) -> Shown:
    """With the counts beside the fields."""
    return {name: value for name, value in {**webhook, **webhook["health"]}.items() if name != "health"}


# ---- deliveries


@app.command("test")
@options.on_running_server
def send_test(
    server: options.Running, webhook_id: WebhookId, type: ExampleType = "server.test", json: options.Json = False
) -> None:
    """Send an example event to a webhook and show the answer. Exits with 1 if it was not delivered."""
    with server() as place:
        _show_test(place.one("POST", at("webhooks", webhook_id, "test"), body={"type": type}), json)


def _show_test(delivery: Shown, json: bool) -> None:
    if json:
        as_json(delivery)
    else:
        line(forwarding.sentence(delivery))
        if text := (delivery["response"] or {}).get("body"):
            hint(text)
    if delivery["outcome"] != "delivered":
        raise typer.Exit(1)


@app.command("deliveries")
@options.on_server
def list_deliveries(
    server: options.Server,
    webhook_id: WebhookId,
    outcome: Outcome = None,
    type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only events of this type.")] = None,
    user: options.AboutUser = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=1000, help="Maximum number of deliveries.")] = 50,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """List the attempts to deliver events to a webhook, newest first."""
    with server() as place:
        given = {"outcome": outcome, "type": type, "user": None if user is None else place.user(user)["id"]}
        asked = {name: value for name, value in given.items() if value}
        found = place.page(place.ask("GET", at("webhooks", webhook_id, "deliveries"), {**asked, "limit": limit}))
        empty = f"No deliveries. To send a test event: {program()} webhooks test {webhook_id} {place.place}"
        listed(found, DELIVERY_COLUMNS, json, quiet, empty=empty)


@app.command("delivery")
@options.on_server
def get_delivery(server: options.Server, webhook_id: WebhookId, delivery_id: DeliveryId, json: options.Json = False) -> None:
    """Show a delivery with what was sent and answered."""
    with server() as place:
        shown(place.one("GET", at("webhooks", webhook_id, "deliveries", delivery_id)), json)


@app.command("resend")
@options.on_running_server
def resend_delivery(
    server: options.Running,
    webhook_id: WebhookId,
    delivery_id: DeliveryId,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Send the event of a delivery again, and wait for the outcome. Exits with 1 if it was not delivered."""
    with server() as place:
        made = place.one("POST", at("webhooks", webhook_id, "deliveries", delivery_id, "resend"))
        _follow(place, webhook_id, made, json, quiet)


@app.command("replay")
@options.on_running_server
def replay(
    server: options.Running,
    webhook_id: WebhookId,
    start: Annotated[str, typer.Option("--from", metavar="TIME|ID", help="The first event: an RFC 3339 time, or an event ID.")],
    to: Annotated[str | None, typer.Option("--to", metavar="TIME|ID", help="The last event. [default: the newest event]")] = None,
    type: options.EventTypes = None,
    user: options.AboutUser = None,
    only: Only = None,
    detach: Annotated[bool, typer.Option("--detach", help="Don't wait until it is finished.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Send a part of the event log to a webhook again.

    It goes on if you press Ctrl+C, and survives a restart of the server.
    """
    with server() as place:
        given = {"from": start, "to": to, "types": type, "user": None if user is None else place.user(user)["id"], "only": only}
        asked = {name: value for name, value in given.items() if value}
        made = place.one("POST", at("webhooks", webhook_id, "replays"), body=asked)
        if detach:
            shown(made, json, quiet)
        else:
            _follow(place, webhook_id, made, json, quiet)


def _follow(place: Remote, webhook_id: str, replay: Shown, json: bool, quiet: bool) -> None:
    """Wait until it is finished, and show its progress to people."""
    id = replay["id"]
    with bar("Sending", 1.0) as (_, show):
        for _ in looks():
            if replay["status"] != "running":
                break
            replay = place.one("GET", at("webhooks", webhook_id, "replays", id))
            show(replay["progress"], f"{replay['delivered']} delivered, {replay['failed']} failed")
    shown(replay, json, quiet)
    if replay["failed"] or replay["status"] != "done":
        raise typer.Exit(1)


# ---- a program on this machine


@app.command("listen")
@options.on_server
def listen(
    server: options.Server,
    forward_to: ForwardTo,
    type: options.EventTypes = None,
    user: options.AboutUser = None,
    after: options.After = None,
    secret: Secret = None,
    json: options.JsonLines = False,
) -> None:
    """Forward events to a program on this machine, as a webhook would send them, until you press Ctrl+C.

    The server needs no way to reach the program: this command follows the event log and sends each event itself, signed, one after
    another. It doesn't try again.
    """
    with server() as place, forwarding.to(forward_to, _secret(secret)) as forward:
        filters = {"type": ",".join(type or ()), "user": place.user(user)["id"] if user else "", "after": after or ""}
        hint(f"Secret: {forward.secret}\nForwarding events of {place.address} to {forward_to}. Press Ctrl+C to stop.")
        for event in place.events({name: value for name, value in filters.items() if value}):
            result = forward.send(event)
            json_line(result) if json else line(forwarding.sentence(result))
            sys.stdout.flush()


@app.command("trigger")
def trigger(
    type: Annotated[str, typer.Argument(metavar="TYPE", help="The type of the event, such as user.created.")],
    forward_to: ForwardTo,
    secret: Secret = None,
    json: options.Json = False,
) -> None:
    """Send an example event to a program on this machine, without a server, and show the answer. Exits with 1 if it was not delivered."""
    example = forwarding.example(type)
    with forwarding.to(forward_to, _secret(secret)) as forward:
        if _secret(secret) is None and not json:
            hint(f"Secret: {forward.secret}")
        _show_test(forward.send(example), json)


def _secret(given: str | None) -> str | None:
    return given or os.environ.get("ROLLBOOK_WEBHOOK_SECRET")
