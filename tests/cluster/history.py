"""Linearizability of a register: is there one order of all reads and writes of a key that keeps to the times at which they
were called and answered, and in which each read returns what was written last?

Every write has a value of its own, so it is known which write a read saw, and the question needs no search (Gibbons and
Korach, "Testing Shared Memories", 1997). A value's operations are a cluster, between the first end and the last start of
them. If the first end comes before the last start, the register must hold the value in between ("forward"); if not, all
of the cluster fits at one moment within it ("backward"). An order exists if no two forward zones overlap, and no
backward one lies wholly inside of a forward one.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Outcome = Literal["done", "unknown", "refused"]


class Operation(NamedTuple):
    kind: Literal["read", "write"]
    value: str
    start: float
    end: float
    outcome: Outcome = "done"
    """`unknown`: without an answer; a write may take effect at any later time, or never. `refused`: it has no effect."""


class Zone(NamedTuple):
    value: str
    first_end: float
    last_start: float

    @property
    def is_forward(self) -> bool:
        return self.first_end < self.last_start


def problems(history: Iterable[Operation], initial: str) -> list[str]:
    """Reasons for which no order exists. Empty: the history is linearizable."""
    operations = [operation for operation in history if operation.kind == "write" or operation.outcome == "done"]
    writes = {operation.value: operation for operation in operations if operation.kind == "write"}
    writes[initial] = Operation("write", initial, -math.inf, -math.inf)
    if len(writes) <= sum(operation.kind == "write" for operation in operations):
        raise ValueError("each write needs a value of its own")
    reads: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation.kind == "read":
            reads.setdefault(operation.value, []).append(operation)
    reasons = [reason for value, seen in reads.items() for reason in _misread(value, writes.get(value), seen)]
    if reasons:
        return reasons
    zones = [_zone(write, reads.get(value, [])) for value, write in writes.items() if _counts(write, value in reads)]
    return _conflicts(zones)


def _misread(value: str, write: Operation | None, reads: Sequence[Operation]) -> list[str]:
    if write is None:
        return [f"{value} was read, and no one has written it"]
    if write.outcome == "refused":
        return [f"{value} was read, and its write was refused"]
    early = [read for read in reads if read.end < write.start]
    return [f"{value} was read at {read.end:.3f}, before its write began at {write.start:.3f}" for read in early]


def _counts(write: Operation, was_read: bool) -> bool:
    """Without an answer and without a reader, it may never have happened."""
    return write.outcome == "done" or (write.outcome == "unknown" and was_read)


def _zone(write: Operation, reads: Sequence[Operation]) -> Zone:
    end = math.inf if write.outcome == "unknown" else write.end
    return Zone(
        write.value, min([end, *(read.end for read in reads)]), max([write.start, *(read.start for read in reads)])
    )


def _conflicts(zones: Sequence[Zone]) -> list[str]:
    forward = sorted((zone for zone in zones if zone.is_forward), key=lambda zone: zone.first_end)
    reasons = [
        f"{later.value} was there at {later.first_end:.3f}, and {earlier.value} was read again at {earlier.last_start:.3f}"
        for earlier, later in itertools.pairwise(forward)
        if later.first_end < earlier.last_start
    ]
    for zone in zones:
        if zone.is_forward:
            continue
        place = bisect.bisect_left(forward, zone.last_start, key=lambda each: each.first_end)
        # No earlier one can be around it, unless two of them overlap: that is a reason already.
        reasons += [
            f"{zone.value} was written between {zone.last_start:.3f} and {zone.first_end:.3f}, when {each.value} was there "
            f"before and after"
            for each in forward[max(place - 1, 0) : place]
            if zone.first_end < each.last_start
        ]
    return reasons
