"""Passes frames between two network devices, in both directions, each after a delay, and loses some: what `tc netem` does.

python slow_cable.py DEVICE DEVICE SECONDS LOSS SEED
"""

from __future__ import annotations

import random
import select
import socket
import sys
import time
from collections import deque

_SOL_PACKET, _VNET_HEADER, _IGNORE_OUTGOING = 263, 15, 23
_ANY = 0x0003
MAX_FRAME = 70_000


def opened(device: str) -> socket.socket:
    """All frames that arrive at the device. With their virtual header, so that packets larger than a frame and checksums
    that nobody has computed yet pass as they are."""
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ANY))
    found.setsockopt(_SOL_PACKET, _VNET_HEADER, 1)
    found.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    found.bind((device, _ANY))
    found.setblocking(False)
    return found


def main(one: str, other: str, delay: float, loss: float, seed: int) -> None:
    chance = random.Random(seed)
    ends = [opened(one), opened(other)]
    under_way: deque[tuple[float, socket.socket, bytes]] = deque()
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        for end in select.select(ends, [], [], wait)[0]:
            try:
                frame = end.recv(MAX_FRAME)
            except OSError:
                continue
            if chance.random() >= loss:
                under_way.append((time.monotonic() + delay, ends[1 - ends.index(end)], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, end, frame = under_way.popleft()
            try:
                end.send(frame)
            except OSError:
                continue  # as on a cable that is full


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
