"""A database in a fresh folder."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from things import make_tables

from rollbook.storage.sqlite import SQLite


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine function runs on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "rollbook.db"


@pytest.fixture
def db(path: Path) -> Iterator[SQLite]:
    database = SQLite.open(path)
    database.write_now(make_tables)
    yield database
    database.close()
