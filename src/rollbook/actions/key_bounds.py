"""Bounds of a key, the rule that a key hands on no more than it has, and the purposes of applications: what each needs
and no more, as a role, scopes and a rate limit, in words, and as commands that work with such a key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

from rollbook import clock, roles
from rollbook.actions.checking import refuse
from rollbook.errors import InsufficientScope
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records.keys import Key
from rollbook.records.users import User

IPNetwork = IPv4Network | IPv6Network


class Bounds(NamedTuple):
    """The most that a key may have. None, and a limit without windows: not bounded in that way."""

    scopes: frozenset[str] | None = None
    networks: tuple[IPNetwork, ...] | None = None
    limit: Limit = NO_LIMIT
    expires_at: int | None = None
    audiences: frozenset[str] | None = None


UNBOUNDED = Bounds()


def scopes_of(text: str | None) -> frozenset[str] | None:
    """Scopes of a key, from the form in which they are stored."""
    return None if text is None else frozenset(text.split())


def networks_of(text: str | None) -> tuple[IPNetwork, ...] | None:
    return None if text is None else tuple([ip_network(network) for network in text.split()])


def limit_of(text: str | None) -> Limit:
    return NO_LIMIT if text is None else Limit.parse(text)


def audiences_of(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(text.split())


def of_key(key: Key) -> Bounds:
    return Bounds(
        scopes_of(key.scopes),
        networks_of(key.ip_allow),
        limit_of(key.rate_limit),
        key.expires_at,
        audiences_of(key.audiences),
    )


def check_no_wider(own: Bounds, scopes: frozenset[str], key: Key, role: str) -> None:
    """A key gets no hold of a wider one: to reveal or to rotate that would widen itself. `scopes` are its own, `role`
    is the other's user's.

    Raises InsufficientScope.
    """
    other = of_key(key)
    reached = roles.grantable(role) if other.scopes is None else other.scopes & roles.grantable(role)
    if not (
        (own.scopes is None or other.scopes is not None)
        and reached <= scopes
        and _networks_within(other.networks, own.networks)
        and _limit_within(other.limit, own.limit)
        and _ends_within(other.expires_at, own.expires_at)
        and _audiences_within(other.audiences, own.audiences)
    ):
        raise InsufficientScope("This key has fewer permissions than the requested one.")


def widens(before: Key, after: Key) -> bool:
    """Test whether a key can do more after a change: more scopes, more addresses, more requests, more audiences, or for
    longer."""
    old, new = of_key(before), of_key(after)
    return not (
        (old.scopes is None or (new.scopes is not None and new.scopes <= old.scopes))
        and _networks_within(new.networks, old.networks)
        and _calls_within(new.limit, old.limit)
        and _ends_within(new.expires_at, old.expires_at)
        and _audiences_within(new.audiences, old.audiences)
    )


# ---- of a key that is created or changed, each as it is kept; what is not asked for is taken from the caller's key


def new_scopes(
    own: Bounds,
    caller_scopes: frozenset[str],
    role: str,
    kind: str,
    scopes: Iterable[str] | None,
    prior: frozenset[str] = frozenset(),
) -> str | None:
    """`role` is that of the user the key is for, `prior` are scopes that the key has already. Raises InsufficientScope,
    InvalidParameter."""
    if kind == "scim":
        if role not in roles.SCIM_ROLES:
            raise InsufficientScope(f"Only admins and owners can have SCIM keys, not a user with the role {role}.")
        scopes = roles.SCIM_SCOPES & caller_scopes if scopes is None else scopes
        for scope in set(scopes) - prior:
            if scope not in roles.SCIM_GRANTABLE:
                refuse("scopes", f"contains {scope}, which SCIM keys don't need")
    if kind == "client":
        if scopes is not None:
            refuse("scopes", "are not for client secrets, which open nothing of the API")
        return ""
    if scopes is None:
        # A key with scopes hands on scopes, even where they are all that the role has now: the role may get more.
        return None if own.scopes is None else " ".join(sorted(roles.grantable(role) & caller_scopes))
    for scope in sorted(set(scopes) - prior):
        if scope not in caller_scopes:
            raise InsufficientScope(f"This key cannot grant the scope {scope}, which it does not have.", scope=scope)
        if scope not in roles.grantable(role):
            refuse("scopes", f"contains {scope}, which the role {role} does not have")
    return " ".join(sorted(set(scopes)))


def new_networks(own: Bounds, texts: Iterable[str] | None) -> str | None:
    """Raises InsufficientScope."""
    if texts is None:
        return None if own.networks is None else " ".join(map(str, own.networks))
    if not _networks_within([ip_network(network) for network in texts], own.networks):
        raise InsufficientScope("This key cannot allow a key IPs that it does not allow itself.")
    return " ".join(texts)


def new_limit(own: Bounds, text: str | None) -> str | None:
    """Raises InsufficientScope."""
    limit = own.limit if text is None else Limit.parse(text)
    if not _limit_within(limit, own.limit):
        raise InsufficientScope(
            "This key can only give keys the windows of its own rate limit, and no more requests in each."
        )
    return str(limit) if limit else None


def new_audiences(own: Bounds, user: User, kind: str, audiences: Iterable[str] | None) -> str | None:
    """`user` is whom the key is for: an application is an audience by its ID, and no other unless one is named. Raises
    InsufficientScope, InvalidParameter."""
    if kind == "client" and user.kind != roles.APPLICATION:
        refuse("kind", "client is for applications: no one signs in to a person")
    if kind != "api":
        if audiences is not None:
            refuse("audiences", "are for keys of the kind api only")
        return None
    if audiences is None:
        audiences = own.audiences or ([user.id] if user.kind == roles.APPLICATION else None)
    elif not _audiences_within(frozenset(audiences), own.audiences):
        raise InsufficientScope("This key can only give keys audiences that it has itself.")
    return None if audiences is None else " ".join(sorted(set(audiences)))


def within_age(expires_at: int | None, max_days: int) -> int | None:
    """The expiry of a new key, at most this many days from now. 0: no maximum."""
    latest = clock.now() + max_days * clock.DAY
    return expires_at if not max_days or (expires_at is not None and expires_at <= latest) else latest


def new_expiry(own: Bounds, expiry: int | None, max_days: int) -> int | None:
    """Raises InsufficientScope, InvalidParameter."""
    if expiry is None:
        return within_age(own.expires_at, max_days)
    if expiry <= clock.now():
        refuse("expires_at", "must be in the future")
    if within_age(expiry, max_days) != expiry:
        refuse("expires_at", f"must be at most {max_days} days from now, the key_max_age of this server")
    if not _ends_within(expiry, own.expires_at):
        raise InsufficientScope("This key cannot let a key expire later than itself.")
    return int(expiry)


def changed_expiry(own: Bounds, key: Key, expiry: int | None, max_days: int) -> int | None:
    """The expiry of a key that exists, at most this many days after its creation unless it was later before. Raises
    InsufficientScope, InvalidParameter."""
    latest = None
    if max_days and key.expires_at is not None:
        latest = max(key.expires_at, key.created_at + max_days * clock.DAY)
    if expiry is None:
        return min((at for at in (own.expires_at, latest) if at is not None), default=None)
    if expiry <= clock.now():
        refuse("expires_at", "must be in the future")
    if not _ends_within(expiry, latest):
        refuse(
            "expires_at", f"must be at most {max_days} days after the key was created, the key_max_age of this server"
        )
    if not _ends_within(expiry, own.expires_at):
        raise InsufficientScope("This key cannot let a key expire later than itself.")
    return int(expiry)


# ---- whether one is within another


def _networks_within(inner: Iterable[IPNetwork] | None, outer: Iterable[IPNetwork] | None) -> bool:
    return outer is None or (inner is not None and all(any(_is_part(one, of) for of in outer) for one in inner))


def _is_part(network: IPNetwork, of: IPNetwork) -> bool:
    return network.version == of.version and network.subnet_of(of)  # type: ignore[arg-type]


def _limit_within(inner: Limit, outer: Limit) -> bool:
    """Test whether each window of `outer` has one in `inner` of the same length that admits no more. They have no
    others: both count in one bucket, where windows of other lengths would take the place of each other's."""
    return not outer or (len(inner) == len(outer) and _calls_within(inner, outer))


def _calls_within(inner: Limit, outer: Limit) -> bool:
    """Test whether each window of `outer` has one in `inner` of the same length that admits no more. `inner` may have
    others."""
    calls = {window.seconds: window.calls for window in inner}
    return all(calls.get(window.seconds, window.calls + 1) <= window.calls for window in outer)


def _audiences_within(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _ends_within(inner: int | None, outer: int | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


_TRY = """curl -w '\\n' -H "Authorization: Bearer $APP_KEY\""""
# Another at each run: the second would say that the first has it.
_EMAIL = "EMAIL=test.$(date +%s).$$@example.com"
_MAX_NAME = 100  # of a key


class Purpose(NamedTuple):
    title: str
    about: str
    """Permissions of the application, in a sentence for people."""
    role: str
    scopes: tuple[str, ...]
    rate_limit: str
    """Rate limit of the application. Where each visitor is a request, a limit would stop the one after it."""
    commands: tuple[str, ...]
    """Lines of a shell to try it with. None sets `ROLLBOOK_KEY` for the lines after it, where the reader has a key."""


PURPOSES = {
    "sign-in": Purpose(
        "Sign-in pages",
        "Creates members and changes them, signs them in and out, and sends them links. It can't list users, and can't "
        "do anything to viewers, admins and owners.",
        "admin",
        ("users:write", "tokens:create", "sessions:create", "sessions:verify", "sessions:write"),
        "none",
        (
            "cat > shop.py <<'END'\n{shop}END",
            "# It needs Flask and the Python client: {url}/docs/sdk-python",
            "ROLLBOOK_KEY={token} ROLLBOOK_URL={url} SHOP_URL=http://localhost:5001 flask --app shop run --port 5001",
        ),
    ),
    "read": Purpose(
        "Read users",
        "Lists, searches and reads all users and groups. It changes nothing.",
        "viewer",
        ("users:read", "groups:read"),
        "600/minute",
        ("APP_KEY={token}", "{run} '{url}/v1/users?limit=10&fields=*'"),
    ),
    "manage": Purpose(
        "Manage users",
        "Reads all users and groups, and creates, changes, suspends and deletes members. It can't do anything to "
        "viewers, admins and owners.",
        "admin",
        ("users:read", "users:write", "users:delete", "groups:read", "groups:write"),
        "600/minute",
        (
            "APP_KEY={token}",
            _EMAIL,
            """{run} {url}/v1/users \\
  --json '{{"name": "Test Person", "email": "'$EMAIL'", "status": "invited"}}'""",
            '{run} "{url}/v1/users?email=$EMAIL&fields=*"',
        ),
    ),
    "sync": Purpose(
        "Keep a copy",
        "Reads all users and groups, and follows the event log or receives it by webhooks of its own. It changes no "
        "users.",
        "viewer",
        ("users:read", "groups:read", "events:read", "webhooks:read", "webhooks:write"),
        "600/minute",
        (
            "APP_KEY={token}",
            "{run} '{url}/v1/users?limit=1000&fields=*'",
            "{run} '{url}/v1/events?order=desc&limit=10'",
        ),
    ),
}
"""By the name that the command line has for them, in the order in which people choose."""


_TITLES = {frozenset(purpose.scopes): purpose.title for purpose in PURPOSES.values()}


def title_of(scopes: str) -> str:
    """Title of the purpose that has these scopes; empty if there is none."""
    return _TITLES.get(frozenset(scopes.split()), "")


def new_application_of(name: str, purpose: str) -> dict[str, Any]:
    """The fields of an application with this purpose."""
    return {"name": name, "role": PURPOSES[purpose].role, "rate_limit": PURPOSES[purpose].rate_limit}


def new_key_of(name: str, purpose: str | None) -> dict[str, Any]:
    """The fields of the first key of an application, which tell what it is for."""
    if purpose is None:
        return {"name": name[:_MAX_NAME].strip(), "revealable": False}
    named = f"{name[: _MAX_NAME - len(purpose) - 2].strip()}: {purpose}"
    return {"name": named, "revealable": False, "scopes": list(PURPOSES[purpose].scopes)}


def purpose_of(user: User, key: Key) -> Purpose | None:
    """The purpose of an application that has this key, if it is one of these."""
    scopes = scopes_of(key.scopes)
    matching = (
        purpose for purpose in PURPOSES.values() if user.role == purpose.role and scopes == frozenset(purpose.scopes)
    )
    return next(matching, None)


def program(purpose: Purpose, url: str, token: str, audiences: Sequence[str], shop: str) -> str:
    """A program for a shell that works with the key as it is. `shop` is the program in Flask that signs people in."""
    if len(audiences) > 1:
        shop = shop.replace("SignIn(app, ", f"SignIn(app, audience={audiences[0]!r}, ")
    fields = {"run": _TRY, "url": url, "token": token, "shop": shop}
    return "\n".join(command.format(**fields) for command in purpose.commands)
