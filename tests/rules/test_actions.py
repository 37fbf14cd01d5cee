"""Actions decide who may do what, whichever way they are called: each requires the scope that its row of the API names,
before anything else."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from rollbook.actions.principal import CLI, SYSTEM, Caller, Principal, stranger
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.errors import InsufficientScope
from rollbook.quota import NO_LIMIT
from rollbook.records.keys import CallerFacts
from rollbook.roles import SCOPES
from tests.grids import grid

ACTIONS = [route for route in ROUTES if route.shows is not None]


class Anything:
    """Stands for the database and for arguments that are not looked at."""

    def __getattr__(self, name: str) -> None:
        return None


def key(scopes: str) -> Principal:
    """A key of an owner, with these scopes."""
    return Principal(
        Caller(CallerFacts("key_x", "user_x", scopes, None, None, None, None, "owner", "active", None), NO_LIMIT),
        "192.0.2.1",
        "req_x",
    )


def refusal(route: Route, by: Principal) -> InsufficientScope:
    parameters = list(inspect.signature(route.action).parameters.values())[2:]
    action: Any = route.action(
        Anything(), by, *[Anything() for each in parameters if each.default is inspect.Parameter.empty]
    )
    with pytest.raises(InsufficientScope) as refused:
        action.send(None)
    return refused.value


@grid("route", ACTIONS, ids=lambda route: f"{route.method} {route.path}")
def test_without_the_scope_of_its_row_an_action_does_nothing(route: Route) -> None:
    assert route.scope is not None
    others = " ".join(scope for scope in SCOPES if scope != route.scope)
    for by in (key(others), stranger("192.0.2.1", "req_x")):
        assert f'scope="{route.scope}"' in refusal(route, by).headers["WWW-Authenticate"]


def test_operators_are_named_in_the_log_as_what_they_are() -> None:
    assert CLI.actor == (None, None, "cli", None, None, None, None)
    assert SYSTEM.actor == (None, None, "system", None, None, None, None)
    assert CLI.is_operator and SYSTEM.is_operator and not key("users:read").is_operator
