"""Tests of many cases as one test each."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest


def grid(
    names: str | Sequence[str], cases: Iterable[Any], ids: Iterable[Any] | Callable[[Any], Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for each case, as `pytest.mark.parametrize` does, but as one test that goes on after a failure and
    reports all of them. For tests whose fixtures serve all cases alike."""
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [case if len(keys) > 1 else (case,) for case in cases]
    labels = (
        [*ids]
        if ids is not None and not callable(ids)
        else [", ".join(_label(each, ids) for each in row) for row in rows]
    )
    assert rows and len(labels) == len(rows)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failures = []
            for label, row in zip(labels, rows, strict=True):
                try:
                    test(**fixtures, **dict(zip(keys, row, strict=True)))
                except Exception as failure:
                    failure.add_note(f"Case: {label}")
                    failures.append(failure)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(rows)} cases failed", failures)

        signature = inspect.signature(test)
        left = [each for name, each in signature.parameters.items() if name not in keys]
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[missing-attribute]
        return pytest.mark.timeout(max(900, 2 * len(rows)))(run)

    return decorate


def _label(value: Any, ids: Callable[[Any], Any] | None) -> str:
    return str(ids(value)) if ids else getattr(value, "__name__", None) or repr(value)
