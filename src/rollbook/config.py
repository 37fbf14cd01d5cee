"""Every setting: name, type, default and description. Set with a flag, an environment variable or a line of
`rollbook.toml`.

`rate_limit` is `--rate-limit`, `ROLLBOOK_RATE_LIMIT` and `rate_limit = "..."`. Flags override the environment, the
environment overrides the file. `docs/configuration.md` is generated from this table.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints
from urllib.parse import unquote_plus, urlsplit

import msgspec
from msgspec import Meta

from rollbook import units
from rollbook.mailing import NOTICES, MailFrom, MailServer
from rollbook.quota import Limit
from rollbook.roles import ROLES

PREFIX = "ROLLBOOK_"
CREDENTIALS = re.compile(r"(?<=://)\S+(?=@)")
"""User and password in a URL: never shown."""


def public_query(query: str) -> str:
    """A URL's query without parameters that are, or may be, secrets, such as the password of
    `postgresql://host/name?user=…&password=…`."""
    return "&".join(part for part in query.split("&") if not _IS_SECRET(unquote_plus(part.partition("=")[0]).lower()))


PRODUCT = "Rollbook"
"""Name of the application where `brand_name` says no other."""
LanguageCode = Literal["en", "de", "fr", "es", "pt", "ja"]
"""Languages of the pages and mails that customers see."""

MAX_TOKEN_LIFETIME = 30 * 86_400
"""Seconds."""
MASKED = "set (hidden)"
"""Instead of a value that is, or may be, a secret."""


class ConfigurationError(Exception):
    """A setting has an invalid value. The message names the setting, where it came from and how to fix it."""


class RoleLimits(tuple[tuple[str, Limit], ...]):
    """Roles with a limit of their own, each written as `admin=1000/minute`."""

    __slots__ = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        limits: dict[str, Limit] = {}
        for text in texts:
            role, _, limit = text.partition("=")
            if role not in ROLES:
                raise ValueError(
                    f"unknown role {role!r}. Use one of {', '.join(ROLES)}, for example admin=1000/minute."
                )
            limits[role] = Limit.parse(limit)
        return cls(limits.items())


class RoleNames(tuple[str, ...]):
    """Some of the roles."""

    __slots__ = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        roles = cls(texts)
        for role in roles:
            if role not in ROLES:
                raise ValueError(f"unknown role {role!r}. Use one of {', '.join(ROLES)}.")
        return roles


class FactorRoles(RoleNames):
    """Roles that need a second factor: some of the roles, `auto` or `none`, which are no roles."""

    __slots__ = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        roles = cls(texts)
        return roles if roles in (("auto",), ("none",)) else super().parse(roles)

    @property
    def is_auto(self) -> bool:
        """Test whether the server decides: `actions/second_factors.py`."""
        return self == ("auto",)


class MemberFields(tuple[str, ...]):
    """Fields that users can change of themselves: `name`, `email`, keys of their metadata as `metadata.KEY`, and
    `keys`, the API keys of members."""

    __slots__ = ()
    PLAIN = ("name", "email", "keys")

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        fields = cls(texts)
        for name in fields:
            key = name.removeprefix("metadata.")
            if name not in ("name", "email", "keys") and (
                key == name or not 0 < len(key) <= 255 or not key.isprintable()
            ):
                raise ValueError(f"{name!r} is no field that users can change. Use name, email, keys or metadata.KEY.")
        return fields

    @property
    def metadata_keys(self) -> frozenset[str]:
        return frozenset(name.removeprefix("metadata.") for name in self if name.startswith("metadata."))


class Duration(int):
    """Seconds, written as `90s`, `15m`, `24h`, `7d` or `2w`; 0 is written `off`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        seconds = 0 if text in ("", "0", "off") else units.seconds(text)
        if seconds is None or (seconds < 60 and seconds):
            raise ValueError(
                f"{text!r} is not a duration. Use one of at least a minute, such as 15m, 24h or 7d, or off."
            )
        return cls(seconds)

    def __str__(self) -> str:
        length, unit = next(
            ((seconds, unit) for seconds, unit in ((86_400, "d"), (3_600, "h"), (60, "m")) if self % seconds == 0),
            (1, "s"),
        )
        return f"{self // length}{unit}" if self else "off"


class Networks(tuple[IPv4Network | IPv6Network, ...]):
    """Networks in CIDR notation."""

    __slots__ = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        try:
            return cls(map(ip_network, texts))
        except ValueError as problem:
            raise ValueError(f"{problem}. Use a network such as 10.0.0.0/8.") from None


class Origins(tuple[str, ...]):
    """Web origins, as browsers send them: `https://app.example.com`."""

    __slots__ = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        origins = cls(texts)
        for origin in origins:
            if not _IS_ORIGIN(origin):
                raise ValueError(
                    f"{origin!r} is not an origin. Use a scheme and a host, such as https://app.example.com."
                )
        return origins


# RFC 6454 section 6.2, in lower case and without a scheme's own port: compared byte by byte.
_IS_ORIGIN = re.compile(
    r"(?:http://(?!.*:80\Z)|https://(?!.*:443\Z))(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
).fullmatch


# RFC 9116 section 2.5.3: on the web only https.
_IS_CONTACT = re.compile(r"(?:mailto:|tel:|https://)[!-~]+").fullmatch

_IS_COLOR = re.compile(r"#[0-9a-fA-F]{6}").fullmatch
_IS_SUPPORT = re.compile(r"(?:mailto:|https://)[!-~]+").fullmatch

_IS_HOST_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.IGNORECASE).fullmatch


# Types of settings that are written as text, or as several texts, and checked when they are read.
_PARSED: dict[Any, tuple[Any, Callable[[Any], Any]]] = {
    Limit: (str, Limit.parse),
    Duration: (str, Duration.parse),
    RoleLimits: (tuple[str, ...], RoleLimits.parse),
    RoleNames: (tuple[str, ...], RoleNames.parse),
    FactorRoles: (tuple[str, ...], FactorRoles.parse),
    MemberFields: (tuple[str, ...], MemberFields.parse),
    Networks: (tuple[str, ...], Networks.parse),
    Origins: (tuple[str, ...], Origins.parse),
}


def written_type(hint: Any) -> Any:
    """The type in which a setting is written: one of str, Path, int, float, bool, a Literal, or a tuple of str."""
    kind = get_args(hint)[0]
    return _PARSED[kind][0] if kind in _PARSED else kind


def written(value: Any) -> Any:
    """A setting's value as it is written."""
    if isinstance(value, (Limit, Duration)):
        return str(value)
    if isinstance(value, RoleLimits):
        return tuple(f"{role}={limit}" for role, limit in value)
    return tuple(map(str, value)) if isinstance(value, tuple) else value


def says(description: str, **bounds: Any) -> Meta:
    return Meta(description=description, **bounds)


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """Values that no server has to choose, each with its reason. No flag, variable or file sets them; tests do, to see
    an end in less time or space."""

    header_timeout: float = 10.0
    """Seconds a client has to send the headers of a request, and for the handshake of TLS: enough on a phone's worst
    network, and too short to hold many connections with little."""
    body_timeout: float = 30.0
    """Seconds a client has to send the body of a request. Where a body is streamed, in either direction: seconds
    without progress."""
    keep_alive_timeout: float = 30.0
    """Seconds an idle connection stays open between requests. More than the proxies of `deploy/` wait, so that they
    close it and no request meets a closing connection."""
    drain_timeout: float = 8.0
    """Seconds that running requests have to finish after SIGTERM: with what follows, less than the 10 seconds after
    which Docker kills."""
    max_body: int = 65_536
    """Bytes of a request's body, where its row says no other: metadata of 16 KiB, escaped, and all else fit."""
    max_target: int = 8_192
    """Bytes of path and query: what most proxies let through (RFC 9110 section 4.1 asks for 8,000)."""
    max_connections: int = 10_000
    """Connections of a worker, TLS handshakes included: more than a core can serve."""
    max_connections_per_address: int = 256
    """Connections of a worker from one client IP address (IPv6: of one /64 network), except from this machine and from
    `trusted_proxy`. An office behind one address fits, and 40 addresses are needed to take all."""
    request_memory: int = 64
    """MiB of a worker for unfinished requests: two of the largest (bulk calls), or a thousand of `max_body`."""
    import_max_size: int = 4 << 30
    """Bytes of a file sent to `POST /v1/imports`: some 20 million users. It lies in the data folder until it is
    imported; the command line reads larger ones."""

    password_parallelism: int = 1
    """Lanes of argon2id: OWASP's choice. More would take cores from other requests, and save none."""
    password_threads: int = 0
    """Threads of a worker that hash passwords. 0: one for each core (of the container's limit, if it has one), divided
    among the workers."""
    password_memory_budget: int = 0
    """MiB for all passwords that a worker hashes at once. 0: a quarter of the machine's memory (of the container's
    limit, if it has one), divided among the workers, but enough for a hash of `imported_hash_memory` and a new one."""
    password_queue: int = 64
    """Passwords of a worker that wait to be hashed: over a second of one thread."""
    imported_hash_seconds: float = 1.0
    """Seconds of a core for a check against an imported hash, bcrypt up to cost 14: each wrong password of a stranger
    costs that."""
    imported_hash_memory: int = 128
    """MiB for a check against an imported hash, more than Django's argon2 takes (100): each wrong password of a
    stranger takes that."""
    account_attempts_limit: Limit = Limit.parse("300/hour")
    """Wrong passwords per account from all IP addresses and applications together: people who share an account behind
    many addresses stay below it, and it lets no botnet guess one in a million."""

    invite_lifetime: Duration = Duration.parse("7d")
    """Invitations: a week has the days on which people read their mail. A call asks for other times by `expires_in`."""
    reset_lifetime: Duration = Duration.parse("30m")
    sign_in_lifetime: Duration = Duration.parse("10m")
    verify_lifetime: Duration = Duration.parse("24h")
    """`verify_email` and `change_email`."""
    token_email_limit: Limit = Limit.parse("5/hour,20/day")
    """One-time tokens sent to an email because someone asked for them: enough for those who can't find the mail, too
    few to bother the owner of an address."""
    token_address_limit: Limit = Limit.parse("10/minute,60/hour")
    """One-time tokens that one client IP address (IPv6: /64 network) asks for, for all emails together; the networks
    around it share multiples, as with `address_attempts_limit`."""

    revoked_key_retention: int = 90
    """Days that revoked API keys are listed: until whoever still uses one has noticed. Events about them stay."""
    usage_retention: int = 90
    """Days of usage: a quarter to compare with. A row for each key, endpoint and day."""
    request_log_size: int = 2048
    """MiB of the request log, beyond which the oldest requests go: a week of 20 requests a second."""
    event_log_warning: int = 10_240
    """MiB of the event log above which `rollbook doctor` and the server page warn: some 17 million events."""

    stated: frozenset[str] = frozenset()
    """Names of the settings that a flag, a variable or the file sets: these win over the database."""


FIRST: dict[str, str | int | list[str]] = {
    "data": "/var/lib/rollbook",
    "database": "postgresql://rollbook@db.example.com/rollbook",
    "host": "0.0.0.0",
    "port": 8000,
    "public_url": "https://id.example.com",
    "trusted_proxy": ["10.0.0.0/8"],
    "backup_every": "24h",
    "rate_limit": "100/minute,5000/hour",
    "smtp": "smtp://user:password@smtp.example.com:587",
    "mail_from": "Example <no-reply@example.com>",
    "brand_name": "Acme Cloud",
    "brand_logo": "/etc/rollbook/logo.svg",
    "brand_color": "#0f766e",
    "redirect_origins": ["https://app.example.com"],
    "sign_in_roles": ["admin", "owner"],
}
"""Settings that most servers set, each with an example. Help, docs and the server page show the others as advanced."""


class Settings(Fixed, frozen=True, kw_only=True):
    """The settings of a server. Read once, never changed."""

    data: Annotated[Path, says("Folder of the database and the server's secret. Created on first start.")] = Path(
        "data"
    )
    database: Annotated[
        str,
        says(
            "Where data is stored. Empty: a SQLite file in the data folder. `postgresql://user@host/name`: "
            "PostgreSQL, for any number of servers. To another machine, the connection uses TLS and verifies the "
            "server, unless the URL says otherwise."
        ),
    ] = ""
    database_direct: Annotated[
        str,
        says(
            "URL of PostgreSQL itself, for migrations, if `database` goes through a pooler such as PgBouncer. "
            "Empty: same as `database`."
        ),
    ] = ""
    database_replicas: Annotated[
        tuple[str, ...],
        says("URLs of PostgreSQL standbys. They answer lists and searches with `?consistency=eventual`."),
    ] = ()
    database_connections: Annotated[
        int,
        says(
            "Connections to PostgreSQL per worker. Two thirds are for writes, which hold one each until they commit.",
            ge=3,
            le=64,
        ),
    ] = 12
    database_timeout: Annotated[
        float,
        says(
            "Seconds a PostgreSQL statement or connection may take. After that, requests get 503 with `Retry-After`.",
            gt=0,
            le=600,
        ),
    ] = 5.0
    limits: Annotated[
        str,
        says(
            "Where requests are counted. Empty: on this machine, shared by its workers. `valkey://host:6379` or, on "
            "another machine, `valkeys://user:password@host:6379` counts them in Valkey or Redis, shared by all "
            "servers. `valkey+cluster://` and `valkey+sentinel://` are for clusters and Sentinel."
        ),
    ] = ""
    limits_when_away: Annotated[
        Literal["local", "closed"],
        says(
            "What to do while Valkey is unavailable. `local`: each server counts by itself, with the same "
            "limits. `closed`: return 503 with `Retry-After`."
        ),
    ] = "local"
    host: Annotated[str, says("IP address to listen on. The default is only reachable from this machine.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, says("Port to listen on. 0 selects a free port and prints it.", ge=0, le=65535)] = 8000
    workers: Annotated[
        int, says("Worker processes. They share the port, the database and the rate limits.", ge=1, le=256)
    ] = 1
    public_url: Annotated[
        str,
        says(
            "The URL clients use, such as `https://api.example.com`. All links start with it. Empty: built from "
            "host and port; in responses of the API from the host that the client used, if it is an IP address "
            "or a private name."
        ),
    ] = ""

    rate_limit: Annotated[
        Limit,
        says(
            "Rate limit of each user, shared by all of their API keys: windows such as `100/minute,5000/hour`, "
            "or `none`."
        ),
    ] = Limit.parse("100/minute,5000/hour")
    role_limits: Annotated[
        RoleLimits,
        says("Rate limits by role, such as `admin=1000/minute`. A user's own limit overrides the limit of their role."),
    ] = RoleLimits()
    scim_limit: Annotated[
        Limit,
        says(
            "Rate limit of each SCIM key, together with those that it was rotated from, or `none`. Not counted toward "
            "the rate limit of its user."
        ),
    ] = Limit.parse("6000/minute,360000/hour")
    unauthenticated_limit: Annotated[
        Limit, says("Rate limit of requests without a valid API key, per client IP address, or `none`.")
    ] = Limit.parse("60/minute,1000/hour")
    attempts_limit: Annotated[
        Limit,
        says(
            "Wrong passwords per account from one source, such as an IP address, before further attempts are refused, "
            "or `none`."
        ),
    ] = Limit.parse("10/minute,50/hour")

    password_min_length: Annotated[
        int,
        says(
            "Minimum length of passwords, in characters. Use 15 if the password is the only factor (NIST SP "
            "800-63B-4).",
            ge=8,
            le=256,
        ),
    ] = 8
    password_words: Annotated[
        tuple[str, ...],
        says("Words that passwords must not be made of, such as the names of your company and products."),
    ] = ()
    breached_passwords: Annotated[
        str,
        says(
            "File with the SHA-1 hashes of breached passwords, sorted by hash, as Pwned Passwords provides "
            "it. New passwords that are in it are refused."
        ),
    ] = ""
    password_memory: Annotated[
        int,
        says(
            "Memory of one argon2id hash, in KiB. A server that others can reach needs at least 19456 with 2 "
            "passes, 12288 with 3, 9216 with 4 or 7168 with 5.",
            ge=8,
            le=4_194_304,
        ),
    ] = 19_456
    password_time_cost: Annotated[int, says("Passes of argon2id over the memory.", ge=1, le=100)] = 2

    sign_in_roles: Annotated[
        RoleNames, says("Roles that can sign in to the dashboard, such as `admin,owner`. Doesn't affect API keys.")
    ] = RoleNames(ROLES)
    second_factor_roles: Annotated[
        FactorRoles,
        says(
            "Roles that need a second factor to use the dashboard, such as `owner,admin`, or `none`. `auto`: "
            "`owner,admin` on a server with a `public_url` that others can reach; otherwise `none`. Doesn't affect "
            "API keys."
        ),
    ] = FactorRoles(("auto",))
    second_factor_grace: Annotated[
        Duration,
        says(
            "How long people who need a second factor can use the dashboard without one, from the first time they sign "
            "in while they need it. 0: not at all, they set it up when they sign in."
        ),
    ] = Duration.parse("7d")
    session_lifetime: Annotated[int, says("Hours after which people must sign in again.", ge=1, le=8760)] = 336
    session_idle_timeout: Annotated[int, says("Hours of inactivity after which a session ends.", ge=1, le=8760)] = 24
    app_session_lifetime: Annotated[
        Duration,
        says(
            "Time after which the token of an application's session expires and must be refreshed. Changes "
            "apply to new tokens."
        ),
    ] = Duration.parse("15m")
    app_refresh_lifetime: Annotated[
        Duration,
        says("Time after which an application's session ends if it is not refreshed."),
    ] = Duration.parse("30d")
    app_session_max_age: Annotated[
        Duration,
        says(
            "Time after which an application's session ends, however often it is refreshed, or `off`. NIST SP"
            " 800-63B-4 asks for 30 days, or 24 hours with a second factor."
        ),
    ] = Duration.parse("365d")
    access_tokens: Annotated[
        bool,
        says(
            "Also return a signed access token (JWT, valid for 5 minutes) with each session of an "
            "application, and publish the keys at `/.well-known/jwks.json`. Needs `public_url`."
        ),
    ] = False
    address_attempts_limit: Annotated[
        Limit,
        says("Wrong passwords per client IP address (IPv6: per /64 network), for all accounts together, or `none`."),
    ] = Limit.parse("30/minute,200/hour")
    redirect_origins: Annotated[
        Origins,
        says(
            "Origins of your applications, such as `https://app.example.com`, to which people may continue after they "
            "used a one-time token. localhost and 127.0.0.1 are always allowed."
        ),
    ] = Origins()
    page_limit: Annotated[
        Limit,
        says(
            "Rate limit of dashboard pages, docs and `/openapi.json`, per person signed in or per client IP "
            "address, or `none`."
        ),
    ] = Limit.parse("600/minute")

    brand_name: Annotated[
        str,
        says("Name of your application on the pages and mails that your customers see, such as the sign-in page."),
    ] = PRODUCT
    brand_logo: Annotated[
        str,
        says(
            "File with the logo for these pages, an SVG or PNG image of at most 256 KiB, instead of the name "
            "at the top."
        ),
    ] = ""
    brand_color: Annotated[
        str,
        says("Color of buttons on these pages and mails, such as `#0f766e`, and of links as far as they can be read."),
    ] = ""
    brand_support: Annotated[
        str,
        says(
            "Where your customers get help: `mailto:help@example.com` or an `https` URL, linked at the bottom"
            " of these pages and mails. Empty: they are told to ask an administrator."
        ),
    ] = ""
    language: Annotated[
        LanguageCode,
        says(
            "Language of these pages if a browser asks for none of theirs (`en`, `de`, `fr`, `es`, `pt`, `ja`), and "
            "of mails to people whose language is unknown."
        ),
    ] = "en"

    member_fields: Annotated[
        MemberFields,
        says(
            "What users can change of themselves: some of `name` and `email`, and top-level keys of their "
            "metadata, such as `metadata.nickname`. With `keys`, members create API keys on their pages, and see their "
            "usage and requests there. Admins can change all fields."
        ),
    ] = MemberFields(("name", "email"))
    self_deletion: Annotated[
        bool,
        says(
            "Let people delete their own account on the account page, with their password or second factor. Turn it "
            "on if your application follows `user.deleted`."
        ),
    ] = False

    synchronous: Annotated[
        Literal["full", "normal"],
        says(
            "SQLite durability. `full`: acknowledged writes survive a power failure. `normal`: they survive a "
            "crash of the process."
        ),
    ] = "full"
    deleted_retention: Annotated[
        int, says("Days a deleted user can be restored. After that the user is permanently erased.", ge=0, le=3650)
    ] = 30
    key_max_age: Annotated[
        int,
        says(
            "Days after which a new API key expires at the latest. 0 sets no maximum. Keys that exist already keep "
            "their expiry.",
            ge=0,
            le=3650,
        ),
    ] = 0
    event_retention: Annotated[
        int,
        says(
            "Days that events are kept. 0 keeps them forever.",
            ge=0,
            le=36500,
        ),
    ] = 0

    backup_every: Annotated[
        Duration,
        says("How often the server backs up its SQLite database by itself, such as `24h`, or `off`."),
    ] = Duration()
    backup_keep: Annotated[
        int,
        says(
            "How many backups are kept in the folder. Older ones are removed after each new one.",
            ge=1,
            le=10_000,
        ),
    ] = 7
    backup_folder: Annotated[
        str,
        says("Folder of these backups, best on another disk. Empty: `backups` in the data folder."),
    ] = ""

    webhook_allow: Annotated[
        Networks,
        says(
            "Private networks (CIDR) that webhooks can send to, such as `10.0.0.0/8`, even over plain `http`."
            " Set it as narrowly as you can: anyone who can create webhooks can send requests there."
        ),
    ] = Networks()
    webhook_hosts: Annotated[
        tuple[str, ...],
        says(
            "The only hosts that webhooks can send to, such as `hooks.slack.com`, or `*.example.com` for all "
            "below a domain. Empty: all that have a public address or one of `webhook_allow`."
        ),
    ] = ()
    webhook_retention: Annotated[
        int,
        says(
            "Days that deliveries of webhooks are kept, at most 10,000 of each webhook.",
            ge=1,
            le=3650,
        ),
    ] = 14

    smtp: Annotated[
        str,
        says(
            "Mail server, such as `smtp://user:password@smtp.example.com:587` (STARTTLS) or `smtps://` (port 465, "
            "SSL/TLS). Needs `mail_from` and `public_url`. Empty: Rollbook sends no mail."
        ),
    ] = ""
    smtp_ca: Annotated[
        str,
        says(
            "File with the certificates (PEM) of the authorities that vouch for the mail server. Empty: those"
            " of the system."
        ),
    ] = ""
    mail_from: Annotated[
        str,
        says(
            "Sender of all mail: `Example <no-reply@example.com>`, or the email alone. Use a domain that your mail "
            "server may send for (SPF, DKIM)."
        ),
    ] = ""
    mail_reply_to: Annotated[str, says("Where replies go, written as `mail_from` is. Empty: to the sender.")] = ""
    mail_notices: Annotated[
        tuple[str, ...],
        says("Notices that are mailed to people about their account."),
    ] = NOTICES
    mail_rate: Annotated[
        int,
        says(
            "Mails a minute at most, from all servers together.",
            ge=1,
            le=100_000,
        ),
    ] = 300
    mail_templates: Annotated[
        str,
        says("Folder with templates of your own. Each file in it replaces the built-in one of its name."),
    ] = ""

    request_retention: Annotated[int, says("Days that the request log is kept. 0 turns it off.", ge=0, le=3650)] = 7

    trusted_proxy: Annotated[
        Networks,
        says("Networks (CIDR) of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` headers are trusted."),
    ] = Networks()
    tls_cert: Annotated[str, says("File with the certificate chain (PEM). Turns on TLS, together with `tls_key`.")] = ""
    tls_key: Annotated[str, says("File with the certificate's private key (PEM).")] = ""
    insecure_http: Annotated[
        bool,
        says(
            "Listen on an address that other machines can reach, without TLS and without a trusted proxy. API"
            " keys and passwords are then sent unencrypted, so only if nothing but this machine or a network "
            "you trust reaches the port."
        ),
    ] = False
    hsts_subdomains: Annotated[
        bool,
        says("Tell browsers to use TLS for all subdomains of `public_url`'s host, too, if it is an `https` URL."),
    ] = True
    security_contact: Annotated[
        str,
        says(
            "Where people report a vulnerability of your server: a URI such as `mailto:security@example.com`,"
            " shown at `/.well-known/security.txt`. Empty: no such file."
        ),
    ] = ""
    cors_origins: Annotated[
        Origins,
        says(
            "Web origins whose scripts may call the API from a browser, such as `https://app.example.com`. "
            "Empty: none. A key doesn't belong in a public web page."
        ),
    ] = Origins()

    log: Annotated[
        Literal["auto", "json", "pretty", "none"],
        says(
            "Log format: `json` lines, `pretty` for people (without IDs), `auto` (pretty on a terminal, "
            "otherwise JSON) or `none`."
        ),
    ] = "auto"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], says("Minimum level of log messages.")] = "info"
    otlp_endpoint: Annotated[
        str,
        says(
            "URL of an OpenTelemetry collector (OTLP over HTTP), such as `http://127.0.0.1:4318`, that gets a "
            "span for each request. Needs `rollbook[otel]`. Empty: off."
        ),
    ] = ""
    access_log: Annotated[bool, says("Write a log line for each request.")] = True

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigurationError("tls_cert and tls_key go together: set both, or neither.")
        if self.backup_every and self.database:
            raise ConfigurationError(
                "backup_every is for SQLite. Back up PostgreSQL with its own tools, such as pg_dump, and leave it off."
            )
        self._check_lifetimes()
        if self.access_tokens and not self.public_url:
            raise ConfigurationError("access_tokens needs public_url: the tokens name it as their issuer.")
        if self.public_url and not self.public_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"public_url: {self.public_url!r} is not a URL. Use a full URL, such as https://api.example.com."
            )
        if self.security_contact and not _IS_CONTACT(self.security_contact):
            raise ConfigurationError(
                f"security_contact: {self.security_contact!r} is not a URI. Use one such as "
                "mailto:security@example.com."
            )
        self._check_brand()
        for host in self.webhook_hosts:
            if not _IS_HOST_PATTERN(host):
                raise ConfigurationError(
                    f"webhook_hosts: {host!r} is not a host. Use a name without https:// and path, such as "
                    "hooks.slack.com or *.example.com."
                )
        self._check_mail()
        if self.otlp_endpoint and not self.otlp_endpoint.startswith(("http://", "https://")):
            raise ConfigurationError(
                "otlp_endpoint is not a URL. Use the collector's base URL, such as http://127.0.0.1:4318."
            )
        if self.hashes_are_weak and not self.is_local:
            raise ConfigurationError(
                "password_memory and password_time_cost are too small for a server that others can reach: use at "
                "least 19456 KiB with 2 passes, 12288 with 3, 9216 with 4 or 7168 with 5."
            )

    def _check_lifetimes(self) -> None:
        """Check how long sessions of applications are valid. Raises ConfigurationError."""
        if not 0 < self.app_session_lifetime <= self.app_refresh_lifetime:
            raise ConfigurationError(
                "app_session_lifetime and app_refresh_lifetime can't be off, and the second one can't be shorter: use "
                "two such as 15m and 30d."
            )

    def _check_brand(self) -> None:
        """Raises ConfigurationError."""
        if not (0 < len(self.brand_name) <= 64 and self.brand_name.isprintable() and self.brand_name.strip()):
            raise ConfigurationError("brand_name must have 1 to 64 characters, without line breaks.")
        if self.brand_color and not _IS_COLOR(self.brand_color):
            raise ConfigurationError(f"brand_color: {self.brand_color!r} is not a color. Use one such as '#0f766e'.")
        if self.brand_support and not _IS_SUPPORT(self.brand_support):
            raise ConfigurationError(
                f"brand_support: {self.brand_support!r} is not a link. Use one such as mailto:help@example.com or "
                "https://example.com/help."
            )

    def _check_mail(self) -> None:
        for name, parse in (
            ("smtp", MailServer.parse),
            ("mail_from", MailFrom.parse),
            ("mail_reply_to", MailFrom.parse),
        ):
            try:
                if value := getattr(self, name):
                    parse(value)
            except ValueError as problem:
                raise ConfigurationError(f"{name}: {problem}") from None
        for notice in self.mail_notices:
            if notice not in NOTICES:
                raise ConfigurationError(f"mail_notices: {notice!r} is no notice. Use some of {', '.join(NOTICES)}.")
        if self.smtp and not self.mail_from:
            raise ConfigurationError("smtp needs mail_from: set the sender, such as Example <no-reply@example.com>.")
        if self.smtp and not self.public_url:
            raise ConfigurationError(
                "smtp needs public_url: links in mail start with it, such as https://api.example.com."
            )

    @property
    def sends_mail(self) -> bool:
        """Test whether there is a mail server to send through."""
        return bool(self.smtp)

    @property
    def hashes_are_weak(self) -> bool:
        """Test whether new password hashes take less than OWASP's Password Storage Cheat Sheet asks for."""
        return self.password_memory < {1: 47_104, 2: 19_456, 3: 12_288, 4: 9_216}.get(self.password_time_cost, 7_168)

    @property
    def is_local(self) -> bool:
        """Test whether only this machine is to reach the server, by all that the settings tell."""
        address = urlsplit(self.public_url).hostname if self.public_url else self.host
        return not self.trusted_proxy and is_loopback(self.host) and is_loopback(address or "")

    @property
    def is_in_clear(self) -> bool:
        """Test whether other machines can reach the port without TLS, and no proxy is named that speaks it instead."""
        return not (self.tls_cert or self.trusted_proxy or is_loopback(self.host))

    @property
    def sqlite_file(self) -> Path:
        """The SQLite database, used unless `database` names PostgreSQL."""
        return self.data / "rollbook.db"

    @property
    def url(self) -> str:
        """Base URL of all links, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls_cert else ''}://{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Test whether this host, as it is written, is this machine. Names other than localhost aren't looked up."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Source(msgspec.Struct, frozen=True):
    """A setting and where its value came from: `default`, `flag`, an environment variable or a file."""

    name: str
    value: Any
    origin: str


def without_secrets(name: str, value: Any) -> Any:
    """A setting's value as it may be shown: without credentials in URLs, and without any text under a name such as
    `smtp_password`."""
    if isinstance(value, (str, tuple, Path)) and value and _IS_SECRET(name):
        return MASKED
    if isinstance(value, tuple):
        return [_public(str(item)) for item in value]
    return _public(str(value)) if isinstance(value, (str, Path)) else value


def _public(text: str) -> str:
    if "://" not in text:
        return text
    base, mark, query = CREDENTIALS.sub("…", text).partition("?")
    return f"{base}{mark}{public_query(query)}".removesuffix("?")


# Also where the text is the path of a file today.
_IS_SECRET = re.compile(
    r"(^|_)(key|keys|secret|secrets|password|passwords|sslpassword|token|tokens|credentials|dsn)($|_)"
).search


@cache
def hints() -> Mapping[str, Any]:
    """Type of each setting, with its description. Computing them is a tenth of the start of a command."""
    every = get_type_hints(Settings, include_extras=True)
    return {name: every[name] for name in Settings.__annotations__}


def load(
    flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ, file: Path | None = None
) -> tuple[Settings, list[Source]]:
    """The settings, and where each came from.

    `flags` are those given on the command line (None: not given). Reads `file`, by default `rollbook.toml` in the
    current folder. Raises ConfigurationError.
    """
    types = hints()
    # Each with its origin; what comes later wins.
    sources_by_name: dict[str, tuple[Any, str]] = {}
    path = file or Path(environment.get(PREFIX + "CONFIG", "rollbook.toml"))
    if path.exists():
        sources_by_name |= {name: (value, str(path)) for name, value in _in_file(path, types).items()}
    elif file is not None:
        raise ConfigurationError(f"{path}: file not found.")
    for name, hint in types.items():
        if (text := environment.get(variable := PREFIX + name.upper())) is not None:
            sources_by_name[name] = _from_text(text, hint), variable
    sources_by_name |= {name: (value, "flag") for name, value in (flags or {}).items() if value is not None}
    values: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    for name, (value, origin) in sources_by_name.items():
        try:
            texts[name], values[name] = _parsed(value, types[name])
        except msgspec.ValidationError:
            raise ConfigurationError(
                f"{name} ({origin}): invalid value {str(value)!r}. Use {_wanted(types[name])}."
            ) from None
        except ValueError as problem:
            raise ConfigurationError(f"{name}: {problem}") from None
    settings = Settings(**values, stated=frozenset(values))
    return settings, [
        Source(name, texts[name], sources_by_name[name][1])
        if name in sources_by_name
        else Source(name, written(getattr(settings, name)), "default")
        for name in types
    ]


def _in_file(path: Path, names: Collection[str]) -> dict[str, Any]:
    """Raises ConfigurationError."""
    try:
        values = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{path}: {problem}") from None
    for name in values:
        if name not in names:
            raise ConfigurationError(f"{path}: unknown setting {name!r}. docs/configuration.md lists all settings.")
    return values


def _parsed(value: Any, hint: Any) -> tuple[Any, Any]:
    """The value as it is written, and as it is used. Raises ValidationError, ValueError."""
    plain, parse = _PARSED.get(get_args(hint)[0], (hint, None))
    text = msgspec.convert(value, plain, strict=False, dec_hook=_path)
    return text, text if parse is None else parse(text)


def _from_text(text: str, hint: Any) -> Any:
    """Lists are separated by commas. Limits contain commas themselves, so role limits are separated by semicolons."""
    if written_type(hint) == tuple[str, ...]:
        separator = ";" if ";" in text or "=" in text else ","
        return [part.strip() for part in text.split(separator) if part.strip()]
    return text


def _wanted(hint: Any) -> str:
    """Form that a setting of this type must have."""
    kind, meta = written_type(hint), get_args(hint)[1]
    if kind is bool:
        return "true or false"
    if kind is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if kind is float:
        return f"a number of seconds above {meta.gt}, at most {meta.le}"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return 'a string in quotation marks, "..."' if kind in (str, Path) else 'a list of strings, ["...", "..."]'


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
