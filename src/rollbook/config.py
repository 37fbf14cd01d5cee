"""Every setting, once: its name, type, default and meaning. A flag, an environment variable or a line of `rollbook.toml` sets it.

`rate_limit` is `--rate-limit`, `ROLLBOOK_RATE_LIMIT` and `rate_limit = "..."`. A flag wins over the environment, the environment over the
file. `docs/configuration.md` is written from this table.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

PREFIX = "ROLLBOOK_"
CREDENTIALS = re.compile(r"(?<=://)\S+(?=@)")
"""User and password in an address: never shown."""


class ConfigurationError(Exception):
    """A setting has a value we cannot use. The message names the setting, where it came from and how to mend it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a server runs with. Read once, never changed."""

    data: Annotated[Path, Meta(description="Folder of the database and the server's secret. Made at first start.")] = Path("data")
    database: Annotated[
        str, Meta(description="Where users are kept. Empty: in a SQLite file in the data folder. `postgresql://user@host/name`: in PostgreSQL, for any number of servers.")
    ] = ""  # fmt: skip
    database_direct: Annotated[
        str, Meta(description="Address of PostgreSQL for migrations, where `database` leads through a pooler such as PgBouncer. Empty: the same.")
    ] = ""  # fmt: skip
    database_replicas: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses of standby servers. They answer lists and searches whose caller says `?consistency=eventual`."
        ),
    ] = ()
    database_connections: Annotated[
        int, Meta(ge=3, le=64, description="Connections that each worker holds to PostgreSQL. Few are enough: callers that wait at the same moment share a statement.")
    ] = 5  # fmt: skip
    database_timeout: Annotated[
        float, Meta(gt=0, le=600, description="Seconds a statement or a connection of PostgreSQL may take; beyond it, 503 with `Retry-After`.")
    ] = 5.0  # fmt: skip
    limits: Annotated[
        str, Meta(description="Where requests are counted. Empty: on this machine, for its workers together. `valkey://host:6379` (or `redis://`, `valkeys://`, `rediss://` with TLS): for all servers together.")
    ] = ""  # fmt: skip
    limits_when_away: Annotated[
        Literal["local", "closed"],
        Meta(
            description="What happens while Valkey cannot be reached. `local`: each server counts by itself, with the same limits. `closed`: 503 with `Retry-After`."
        ),
    ] = "local"
    host: Annotated[str, Meta(description="Address to listen on. The default is reachable from this machine only.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one and prints it.")] = 8000
    workers: Annotated[int, Meta(ge=1, le=256, description="Processes that share the port, the database and the limits.")] = 1
    public_url: Annotated[
        str, Meta(description="Where callers reach the server, such as `https://api.example.com`. Used in links; never taken from a request. Empty: from host and port.")
    ] = ""  # fmt: skip

    rate_limit: Annotated[
        str,
        Meta(description="Requests a user may make, all its keys together: windows such as `100/minute,5000/hour`, or `none`."),
    ] = "100/minute,5000/hour"
    role_limits: Annotated[
        tuple[str, ...],
        Meta(description="Other limits for a role, such as `admin=1000/minute`. A user's own limit goes before its role's."),
    ] = ()
    unauthenticated_limit: Annotated[
        str, Meta(description="Requests without a valid key that one client address may make, or `none`.")
    ] = "60/minute,1000/hour"
    attempts_limit: Annotated[
        str, Meta(description="Wrong passwords that one account may see before further tries are refused, or `none`.")
    ] = "10/minute,50/hour"

    password_min_length: Annotated[
        int,
        Meta(
            ge=8,
            le=256,
            description="Shortest password, in characters. Use 15 where the password is the only factor (NIST SP 800-63B-4).",
        ),
    ] = 8
    password_memory: Annotated[int, Meta(ge=8, le=4_194_304, description="Memory of argon2id for one hash, in KiB.")] = 19_456
    password_time_cost: Annotated[int, Meta(ge=1, le=100, description="Passes of argon2id over that memory.")] = 2
    password_parallelism: Annotated[int, Meta(ge=1, le=64, description="Lanes of argon2id.")] = 1
    password_threads: Annotated[
        int, Meta(ge=0, le=64, description="Threads of a worker that hash passwords, at the lowest priority. 0: one for each core (of the container's share, where it has one), shared out among the workers.")
    ] = 0  # fmt: skip
    password_queue: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Passwords that may wait for such a thread in a worker; beyond it, 503 with `Retry-After`.",
        ),
    ] = 64

    sign_in_roles: Annotated[
        tuple[str, ...],
        Meta(description="Roles whose users may sign in to the pages, such as `admin,owner`. API keys are not touched by it."),
    ] = ("member", "viewer", "admin", "owner")
    session_lifetime: Annotated[
        int, Meta(ge=1, le=8760, description="Hours after which somebody who signed in must do so again.")
    ] = 336
    session_idle_timeout: Annotated[
        int, Meta(ge=1, le=8760, description="Hours without a request after which a session ends.")
    ] = 24
    address_attempts_limit: Annotated[
        str, Meta(description="Wrong passwords that one client address may give at the sign-in page, or `none`.")
    ] = "30/minute,200/hour"
    page_limit: Annotated[
        str, Meta(description="Pages that somebody who is signed in, or else one client address, may ask for, or `none`.")
    ] = "600/minute"

    synchronous: Annotated[
        Literal["full", "normal"], Meta(description="`full`: an acknowledged write survives a power cut. `normal`: it survives a crash of the process.")
    ] = "full"  # fmt: skip
    deleted_retention: Annotated[
        int, Meta(ge=0, le=3650, description="Days in which a deleted user can be restored; then it is erased.")
    ] = 30
    event_retention: Annotated[int, Meta(ge=0, le=36500, description="Days that events are kept; 0 keeps them for good.")] = 0

    usage_retention: Annotated[
        int, Meta(ge=1, le=3650, description="Days that the hourly counts of requests are kept, for each key and for the server.")
    ] = 90
    request_retention: Annotated[
        int, Meta(ge=0, le=3650, description="Days that users can look up the requests of their keys; 0 keeps no log of them.")
    ] = 7

    trusted_proxy: Annotated[
        tuple[str, ...],
        Meta(description="Networks (CIDR) of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."),
    ] = ()
    tls_cert: Annotated[
        str, Meta(description="File with the certificate chain (PEM). Together with `tls_key` it turns TLS on.")
    ] = ""
    tls_key: Annotated[str, Meta(description="File with the certificate's private key (PEM).")] = ""

    header_timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds a client has to send a request's header fields.")
    ] = 10.0
    body_timeout: Annotated[float, Meta(gt=0, le=3600, description="Seconds a client has to send a request's body.")] = 30.0
    keep_alive_timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds an idle connection stays open between two requests.")
    ] = 30.0
    drain_timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds that running requests have to end after SIGTERM.")
    ] = 8.0
    max_body: Annotated[int, Meta(ge=1024, le=1 << 30, description="Largest request body, in bytes.")] = 65_536
    max_target: Annotated[int, Meta(ge=256, le=65_536, description="Longest path and query, in bytes.")] = 8_192
    max_header_fields: Annotated[int, Meta(ge=8, le=1000, description="Most header fields of a request.")] = 100
    max_header_bytes: Annotated[int, Meta(ge=1024, le=1 << 20, description="Most bytes of all header fields of a request.")] = (
        32_768
    )
    max_connections: Annotated[int, Meta(ge=1, le=1_000_000, description="Connections a worker holds; further ones get 503.")] = (
        10_000
    )
    direct: Annotated[
        bool,
        Meta(
            description="Answer API calls straight from the parser. `false` takes the way of any ASGI application: slower, same answers."
        ),
    ] = True

    log: Annotated[
        Literal["auto", "json", "pretty", "none"], Meta(description="Form of the log: `json` lines, `pretty` for people, `auto` by whether the output is a terminal, `none`.")
    ] = "auto"  # fmt: skip
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level of the events that are logged.")
    ] = "info"
    access_log: Annotated[bool, Meta(description="Write one line for each request.")] = True

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigurationError("tls_cert and tls_key go together: set both, or neither.")
        if self.public_url and not self.public_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"public_url: {self.public_url!r} is no address. Write it whole, such as https://api.example.com."
            )
        for network in self.trusted_proxy:
            try:
                ip_network(network)
            except ValueError as problem:
                raise ConfigurationError(f"trusted_proxy: {problem}. Write a network such as 10.0.0.0/8.") from None

    @property
    def sqlite_file(self) -> Path:
        """The file that holds everything but the server's secret, where `database` names no PostgreSQL."""
        return self.data / "rollbook.db"

    @property
    def url(self) -> str:
        """Base of every link we make, without a slash at its end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls_cert else ''}://{host}:{self.port}"


class Source(msgspec.Struct, frozen=True):
    """Where a setting in force came from: `default`, `flag`, an environment variable or a file."""

    name: str
    value: Any
    origin: str


def load(
    flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ, file: Path | None = None
) -> tuple[Settings, list[Source]]:
    """Settings in force and where each came from.

    `flags` holds those given on the command line (None: not given). `file` is read when it exists; without it, `rollbook.toml` here is.
    Raises ConfigurationError.
    """
    hints = get_type_hints(Settings, include_extras=True)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = file or Path(environment.get(PREFIX + "CONFIG", "rollbook.toml"))
    if path.exists():
        try:
            written = tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise ConfigurationError(f"{path}: {problem}") from None
        for name, value in written.items():
            if name not in hints:
                raise ConfigurationError(f"{path}: there is no setting {name!r}. docs/configuration.md lists them.")
            values[name], origins[name] = value, str(path)
    elif file is not None:
        raise ConfigurationError(f"{path}: no such file.")
    for name in hints:
        variable = PREFIX + name.upper()
        if variable in environment:
            values[name], origins[name] = _from_text(environment[variable], hints[name]), variable
    for name, value in (flags or {}).items():
        if value is not None:
            values[name], origins[name] = value, "flag"
    for name, value in values.items():
        try:
            values[name] = msgspec.convert(value, hints[name], strict=False, dec_hook=_path)
        except msgspec.ValidationError:
            raise ConfigurationError(
                f"{name} ({origins[name]}): {str(value)!r} does not fit. Write {_wanted(hints[name])}."
            ) from None
    settings = Settings(**values)
    return settings, [Source(name, getattr(settings, name), origins.get(name, "default")) for name in hints]


def _from_text(text: str, hint: Any) -> Any:
    """Lists are written with commas between; a limit has commas too, so role limits are parted by semicolons."""
    if get_args(hint)[0] == tuple[str, ...]:
        separator = ";" if ";" in text or "=" in text else ","
        return [part.strip() for part in text.split(separator) if part.strip()]
    return text


def _wanted(hint: Any) -> str:
    """What a person has to write for a setting of this type."""
    kind, meta = get_args(hint)
    if kind is bool:
        return "true or false"
    if kind is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if kind is float:
        return f"a number of seconds above {meta.gt}, up to {meta.le}"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return 'text in quotation marks, "..."' if kind in (str, Path) else 'a list of texts, ["...", "..."]'


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
