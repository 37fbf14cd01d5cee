"""`rollbook secret`: change the server's secret."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rollbook import config
from rollbook.actions import app_sessions
from rollbook.actions.context import Rollbook
from rollbook.actions.resealing import Resealing
from rollbook.auth import server_secret
from rollbook.cli import options, server_address
from rollbook.cli.folder import open_existing
from rollbook.cli.output import Failure, as_json, hint, program, where
from rollbook.config import Settings
from rollbook.records.connect import is_sqlite

app = options.group(
    "Change the server's secret, and the keys that sign access tokens. The secret encrypts webhook secrets, and "
    "API keys that can be revealed."
)

_NODES = f"""The servers on this database are given their secret. To change it while they run:
1. Create one: openssl rand -hex 32
2. Add it to {server_secret.SECRET_FILE} of every server as a second line, or to {server_secret.SECRET} after a space.
   Restart them one by one.
3. Put it first, and the former one second. Restart them one by one. They encrypt everything again within minutes.
4. Remove the former one. Restart them one by one."""


@options.command(app, "rotate", options.JSON, options.DATA)
def rotate(json: bool, data: Path | None) -> None:
    """Create a new secret, and encrypt with it again what the former one has encrypted. Stop the server first.

    The former secret is kept in the second line of the file `secret`, so that cursors, stored responses of idempotent
    requests and known browsers stay valid. `rollbook secret forget` removes it.
    """
    settings, _ = config.load({"data": data})
    if server_secret.is_given() or not is_sqlite(settings):
        raise Failure(_NODES)
    if running := server_address.find(settings.data):
        raise Failure(f"Stop the server at {running} first: it doesn't know the new secret.")
    with closing(open_existing(settings)):
        server_secret.load(settings.data)
        server_secret.rotate(settings.data)
    count = _seal_again(settings)
    if json:
        as_json({"sealed_again": count})
        return
    hint(f"The secret is new. API keys and webhooks that were encrypted again: {count:,}.")
    hint(f"Start the server, and store {_file(settings)} in another place. Backups made so far need the former secret.")
    hint(f"To accept the former one no longer: {program()} secret forget{where(settings)}")


@options.command(app, "forget", options.JSON, options.DATA)
def forget(json: bool, data: Path | None) -> None:
    """Remove former secrets from the file `secret`. Do it at once if they are known to others, else after a day.

    Cursors that they have signed, and stored responses of idempotent requests, become invalid, and no browser is known.
    Before restoring a backup that was made earlier, add the former secret to the file again.
    """
    settings, _ = config.load({"data": data})
    if server_secret.is_given():
        raise Failure(_NODES)
    former = len(server_secret.load(settings.data).roots) - 1
    if former:
        _seal_again(settings)
        server_secret.forget(settings.data)
    if json:
        as_json({"forgotten": former})
        return
    hint(f"Former secrets removed from {_file(settings)}: {former}.")
    if former and (running := server_address.find(settings.data)):
        hint(f"The server at {running} accepts them until it is restarted.")


@options.command(app, "renew-access-keys", options.JSON, options.DATA)
def renew_access_keys(json: bool, data: Path | None) -> None:
    """Replace the keys that sign access tokens. Do it if their private part may be known to others.

    The server can go on running. Services that verify tokens must read `/.well-known/jwks.json` again: from then on,
    they refuse what the former keys have signed. Without this command, keys are replaced every 90 days.
    """
    settings, _ = config.load({"data": data})
    with closing(open_existing(settings)) as db:
        on = Rollbook(settings, db)
        id = on.run(app_sessions.renew(on))
    if json:
        as_json({"id": id})
        return
    hint(f"Access tokens are now signed by {id}. Services that verify them must read the keys again.")


def _seal_again(settings: Settings) -> int:
    with closing(open_existing(settings)) as db:
        on = Rollbook(settings, db)
        return on.run(Resealing(on).whole())


def _file(settings: Settings) -> Path:
    return settings.data.absolute() / server_secret.NAME
