"""Keeps profiles: servers and the API keys that `rollbook login` saved for them, one file each in the user's config
folder."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from rollbook.cli.output import Failure, Misuse, program

DEFAULT = "default"
"""The profile of commands that name nothing else."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch
_SUFFIX = ".json"


class Profile(Struct, kw_only=True, omit_defaults=True):
    """Server to send requests to, and the key for it. What the key itself doesn't let us read is None."""

    url: str
    key: str
    key_id: str | None = None
    user: str | None = None
    """The email of the key's user."""
    scopes: list[str] | None = None
    """None: not restricted, or unknown."""
    expires_at: str | None = None
    """RFC 3339."""

    def public(self) -> dict[str, Any]:
        """Without the secret."""
        return {
            "url": self.url,
            "user": self.user,
            "key_id": self.key_id,
            "scopes": self.scopes,
            "expires_at": self.expires_at,
        }


def as_known(profile: dict[str, Any]) -> dict[str, Any]:
    """The public part of a profile as people read it. A key that may not read itself has told nothing."""
    return profile if profile["key_id"] else {**profile, "scopes": "-", "expires_at": "-"}


def folder() -> Path:
    """Folder of the profiles: the user's config folder (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification ignores relative paths.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "rollbook" / "profiles"


def names() -> list[str]:
    """All profiles, sorted."""
    try:
        files = os.listdir(folder())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(
        name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX) and _NAME(name.removesuffix(_SUFFIX))
    )


def find(name: str) -> Profile | None:
    """Raises Failure if the file can't be used, or other users of this machine can read it."""
    path = _path(name)
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise Failure(
                    f"Other users can read the key in {path}. Rotate it if that is a risk, then run: chmod 600 {path}"
                )
            return msgspec.json.decode(file.read(), type=Profile)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.DecodeError:
        raise Failure(f"{path} is damaged. Sign in again: {program()} login --profile {name}") from None


def get(name: str) -> Profile:
    """Raises Failure."""
    profile = find(name)
    if profile is None:
        others = f" Profiles: {', '.join(names())}." if names() else ""
        raise Failure(f"There is no profile {name}.{others} To create it: {program()} login --profile {name}")
    return profile


def save(name: str, profile: Profile) -> Path:
    """Replace the profile in one step, readable by this user only. Returns its file. Raises OSError."""
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    for part in (path.parent.parent, path.parent):
        part.chmod(0o700)
    unfinished = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(profile)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    return path


def remove(name: str) -> None:
    """Raises OSError."""
    _path(name).unlink()


def check(name: str) -> None:
    """Raises Failure unless it can be a profile's name."""
    if not _NAME(name):
        raise Misuse(f"{name!r} is not a profile name: use up to 64 letters, digits, dots, hyphens and underscores.")


def _path(name: str) -> Path:
    check(name)
    return folder() / f"{name}{_SUFFIX}"
