"""Users of real Django, fastapi-users and PocketBase, exported and imported by the commands on the pages: they sign in
as before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook.actions.import_sources import SYSTEMS
from tests.harness import CHEAP, PLAIN, Server, answers, free_port, running
from tests.processes import ROOT

PROGRAMS = ROOT / ".venv-migrate" / "bin"
PASSWORD = "the same as before"

DJANGO = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
PEOPLE = f"""
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import Group, User
Group.objects.create(name="staff").user_set.add(
    User.objects.create_user("zoe", "zoe@django.example", {PASSWORD!r}, first_name="Zoë", last_name="Ångström"))
User.objects.create_user("bob", "bob@django.example", {PASSWORD!r}, is_active=False)
User.objects.create_user("eve", "eve@django.example")  # without a usable password
User.objects.create_user("nobody", "")
"""

# The model and the password helper of fastapi-users' documentation, without a web server.
FASTAPI_USERS = f"""
import asyncio
from fastapi_users.db import SQLAlchemyBaseUserTableUUID
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped

class Base(DeclarativeBase):
    pass

class User(SQLAlchemyBaseUserTableUUID, Base):
    plan: Mapped[str]

async def fill():
    engine = create_async_engine("sqlite+aiosqlite:///app.db")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    bcrypt = PasswordHash((BcryptHasher(4),))
    async with async_sessionmaker(engine)() as session:
        session.add(User(email="zoe@fastapi.example", hashed_password=PasswordHelper().hash({PASSWORD!r}), is_verified=True, plan="pro"))
        session.add(User(email="ann@fastapi.example", hashed_password=bcrypt.hash({PASSWORD!r}), plan=""))
        session.add(User(email="bob@fastapi.example", hashed_password=PasswordHelper().hash({PASSWORD!r}), is_active=False, plan=""))
        await session.commit()

asyncio.run(fill())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("moving")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server on the data folder into which all three systems were moved."""
    with _pocketbase(folder) as pocketbase:
        for system, place in (
            ("django", _django(folder)),
            ("fastapi-users", _fastapi_users(folder)),
            ("pocketbase", pocketbase),
        ):
            for command in commands(system):
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=place,
                    env=_environment(folder),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if system == "django" and "users import" in command:  # one of its users has no email
                    assert (done.returncode, "email is required" in done.stderr) == (1, True), done.stderr
                else:
                    assert done.returncode == 0, (command, done.stdout, done.stderr)
    with running(folder / "data") as server:
        yield server


def commands(system: str) -> list[str]:
    """The first command that exports from a system and the first that imports, as the docs show them."""
    blocks = re.findall(r"^```console\n(.*?)\n```$", section(system), re.DOTALL | re.MULTILINE)
    imports = [block for block in blocks if "rollbook users import" in block]
    return [blocks[0], imports[0]]


def section(system: str) -> str:
    """The text on one system in the docs."""
    text = (ROOT / "docs" / "migrate.md").read_text()
    return text.partition(f"\n## {SYSTEMS[system]}\n")[2].partition("\n## ")[0]


def _environment(folder: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
    path = f"{PROGRAMS}:{Path(sys.executable).parent}:{own['PATH']}"
    return {**own, **CHEAP, "PATH": path, "ROLLBOOK_DATA": str(folder / "data"), "XDG_CONFIG_HOME": str(folder)}


def _run(place: Path, command: list[Any]) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def _django(folder: Path) -> Path:
    place = folder / "django"
    place.mkdir()
    (place / "settings.py").write_text(DJANGO)
    (place / "manage.py").write_text(MANAGE)
    _run(place, [PROGRAMS / "python", "-c", PEOPLE])
    return place


def _fastapi_users(folder: Path) -> Path:
    place = folder / "fastapi-users"
    place.mkdir()
    _run(place, [PROGRAMS / "python", "-c", FASTAPI_USERS])
    return place


@contextmanager
def _pocketbase(folder: Path) -> Iterator[Path]:
    """It goes on running while it is exported, as the page says."""
    place = folder / "pocketbase"
    place.mkdir()
    port = free_port()
    _run(
        place,
        [
            PROGRAMS / "pocketbase",
            "superuser",
            "upsert",
            "admin@example.com",
            "a-long-admin-password",
            "--dir",
            "pb_data",
        ],
    )
    serve = [PROGRAMS / "pocketbase", "serve", "--dir", "pb_data", "--http", f"127.0.0.1:{port}"]
    with subprocess.Popen(serve, cwd=place, stdout=subprocess.DEVNULL) as process:
        try:
            while answers(port, "/api/health") != 200:
                assert process.poll() is None
                time.sleep(0.02)
            _fill_pocketbase(f"http://127.0.0.1:{port}/api/collections/")
            yield place
        finally:
            process.terminate()


def _fill_pocketbase(url: str) -> None:
    with httpx2.Client(base_url=url, timeout=60, **PLAIN) as http:
        admin = http.post(
            "_superusers/auth-with-password",
            json={"identity": "admin@example.com", "password": "a-long-admin-password"},
        )
        http.headers["Authorization"] = admin.json()["token"]
        for name, verified in (("Zoë", True), ("", False)):
            user = {
                "email": f"{name or 'ann'}@pocketbase.example".replace("ë", "e"),
                "name": name,
                "verified": verified,
            }
            made = http.post("users/records", json={**user, "password": PASSWORD, "passwordConfirm": PASSWORD})
            assert made.status_code == 200, made.text


def user(server: Server, email: str, password: str = PASSWORD) -> tuple[dict[str, Any], int]:
    """A user, and the status of an attempt to sign in."""
    with server.http() as http:
        (found,) = http.get("/v1/users", params={"email": email, "fields": "*"}).json()
        return found, http.post("/v1/users/verify-password", json={"email": email, "password": password}).status_code


def test_from_django(server: Server) -> None:
    zoe, status = user(server, "zoe@django.example")
    assert (zoe["name"], zoe["external_id"]) == ("Zoë Ångström", "1")
    assert (zoe["metadata"], zoe["private_metadata"]) == ({"username": "zoe"}, {"groups": ["staff"]})
    assert status == 200
    assert user(server, "zoe@django.example", "another password")[1] == 401
    bob, status = user(server, "bob@django.example")
    assert (bob["status"], status) == ("suspended", 403)
    assert user(server, "eve@django.example")[1] == 401


def test_from_fastapi_users(server: Server) -> None:
    zoe, status = user(server, "zoe@fastapi.example")
    assert (zoe["name"], zoe["email_verified"], zoe["private_metadata"], status) == ("zoe", True, {"plan": "pro"}, 200)
    ann, status = user(server, "ann@fastapi.example")
    assert (ann["email_verified"], ann["status"], status) == (False, "active", 200)
    assert user(server, "bob@fastapi.example")[0]["status"] == "suspended"


def test_from_pocketbase(server: Server) -> None:
    zoe, status = user(server, "Zoe@pocketbase.example")
    assert (zoe["name"], zoe["email_verified"], zoe["metadata"], status) == ("Zoë", True, {}, 200)
    assert len(zoe["external_id"]) == 15
    ann, status = user(server, "ann@pocketbase.example")
    assert (ann["name"], status) == ("ann", 200)
