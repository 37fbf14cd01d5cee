"""`rollbook profiles` and `rollbook logout`: list the servers that `rollbook login` saved, and forget one."""

from __future__ import annotations

from rollbook.cli import options, profile_store
from rollbook.cli.backends import at
from rollbook.cli.output import Failure, hint, listed, program
from rollbook.cli.targets import running_server

COLUMNS = ("name", "url", "user", "expires_at", "scopes", "key_id")


@options.command(None, "profiles", options.JSON, options.option("--quiet -q", "Print only the names."))
def app(json: bool, quiet: bool) -> None:
    """List the profiles that `rollbook login` saved, without the keys."""
    found = [{"name": name, **profile_store.get(name).public()} for name in profile_store.names()]
    empty = f"No profiles yet. To create one: {program()} login"
    listed(found, COLUMNS, json, quiet, id="name", row=profile_store.as_known, empty=empty)


@options.command(
    None,
    "logout",
    options.profile("The profile."),
    options.option("--revoke", "Revoke the key on the server first, for everyone who uses it."),
)
def logout(profile: str, revoke: bool) -> None:
    """Forget a profile and its API key. The key keeps working, unless you add --revoke."""
    found = profile_store.get(profile)
    if revoke:
        if found.key_id is None:
            raise Failure(f"The scopes of this key don't allow revoking it. Revoke it at {found.url}/account/keys.")
        with running_server(None, None, profile) as server:
            server.ask("DELETE", at("keys", found.key_id))
    profile_store.remove(profile)
    if revoke:
        hint(f"Forgot the profile {profile}, and revoked its key.")
    else:
        page = "" if found.key_id is None else f"/{found.key_id}"
        hint(f"Forgot the profile {profile}. Its key still works. You can revoke it at {found.url}/account/keys{page}.")
