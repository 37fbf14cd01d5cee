"""One export at a time: whoever has one running is refused another."""

from __future__ import annotations

from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.errors import ExportRunning


class Turn:
    """Whoever asked has no other export until this is over, or no longer held by anyone, as when the answer never began."""

    over = False


def take_turn(on: Rollbook, by: Principal) -> Turn:
    """Raises ExportRunning."""
    running = on.exporting.get(by.user_id)
    if running is not None and not running.over:
        raise ExportRunning(1)
    on.exporting[by.user_id] = turn = Turn()
    return turn
