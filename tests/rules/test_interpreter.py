"""What is said about the build of Python."""

from __future__ import annotations

import platform
import sysconfig

import pytest

from rollbook import machine


@pytest.mark.parametrize(
    ("options", "build"),
    [
        ("'--prefix=/usr/local' '--enable-optimizations' '--with-lto'", "optimized build"),
        ("'--prefix=/root/.pyenv/versions/3.11.7' '--enable-shared'", "built without --enable-optimizations"),
        ("'--enable-shared' '--prefix=/usr' '--with-dtrace'", ""),
        (None, ""),
    ],
)
def test_the_build_is_named_where_it_is_known(monkeypatch: pytest.MonkeyPatch, options: str | None, build: str) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": options}.get)
    assert machine.python_build() == build
    version = f"CPython {platform.python_version()}"
    assert machine.python_name() == (f"{version}, {build}" if build else version)
