"""What clients keep open is counted for all workers of a server, and a worker that dies takes none of it along."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from rollbook.errors import Overloaded
from rollbook.limits.slots import EXPORTING, FOLLOWING, MAX_SLOTS, WAITING, Slots, UserHasEnough


def in_worker(slots: Slots, number: int, act: Callable[[], object]) -> int:
    """What another process found: 0, 1 for UserHasEnough, 2 for Overloaded. It ends as a killed one does."""
    pid = os.fork()
    if not pid:
        code = 3
        try:
            slots.join(number)
            act()
            code = 0
        except UserHasEnough:
            code = 1
        except Overloaded:
            code = 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_user_s_are_counted_over_all_workers() -> None:
    slots = Slots.create(2)
    slot = slots.take(EXPORTING, "a")
    for kind, user, code in ((EXPORTING, "a", 1), (FOLLOWING, "a", 0), (EXPORTING, "b", 0)):
        assert in_worker(slots, 1, lambda kind=kind, user=user: slots.take(kind, user)) == code
    slot.leave()
    slot.leave()
    assert in_worker(slots, 1, lambda: slots.take(EXPORTING, "a")) == 0
    with pytest.raises(UserHasEnough):
        slots.take(EXPORTING, "a")  # that of the process that is gone
    assert in_worker(slots, 1, lambda: None) == 0
    slots.take(EXPORTING, "a")  # another was started in its place


def test_all_together_are_counted_over_all_workers() -> None:
    slots = Slots.create(2)
    half = [slots.take(FOLLOWING, f"user{number // 100}") for number in range(MAX_SLOTS // 2)]

    def the_other_half() -> None:
        for number in range(MAX_SLOTS // 2):
            slots.take(FOLLOWING, f"user{5 + number // 100}")

    assert in_worker(slots, 1, the_other_half) == 0
    for kind in (FOLLOWING, EXPORTING, WAITING):
        with pytest.raises(Overloaded):
            slots.take(kind, "late")
    half.pop().leave()
    slots.take(EXPORTING, "late")


def test_few_wait_for_the_request_log() -> None:
    slots = Slots.create(1)
    for number in range(200):
        slots.take(WAITING, f"user{number // 10}")
    with pytest.raises(Overloaded):
        slots.take(WAITING, "late")
    slots.take(FOLLOWING, "late")
