"""What only we promise: start, memory, creations against bare argon2, clients that send half a request, pages anywhere,
search."""

from __future__ import annotations

import http.client
import random
import selectors
import shutil
import socket
import statistics
import threading
import time
import urllib.parse
from collections.abc import Iterator

from floors import hashes_per_second
from load import load
from machine import BOTH_CPUS
from peers.rollbook import Rollbook
from people import FAMILY, GIVEN

STARTS = 3
HALF_OPEN = 200
SEARCHES = 60


def own_figures(peer: Rollbook, seconds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """A heading and its figures, one after the other. Takes a peer that is running on its data and leaves it
    stopped."""
    yield "half_open", half_open(peer, seconds)
    yield "search", search(peer)
    peer.process.stop()
    yield "start", starts(peer)
    yield "create", creates(peer, max(seconds, 4))


def starts(peer: Rollbook) -> dict[str, float]:
    """Seconds from the command to the first 200 of an authenticated call, and what the idle process then weighs."""
    filled, empty, memory = [], [], []
    for _ in range(STARTS):
        filled.append(peer.serve())
        peer.process.stop()
    new = Rollbook("rollbook-empty")
    for _ in range(STARTS):
        shutil.rmtree(new.folder, ignore_errors=True)
        new.folder.mkdir(parents=True)
        empty.append(new.serve())
        new.process.settle()
        memory.append(max(new.process.memory_by_process().values()))
        new.process.stop()
    return {
        "first_200_with_data_s": statistics.median(filled),
        "first_200_empty_s": statistics.median(empty),
        "idle_worker_mib": statistics.median(memory),
    }


def creates(peer: Rollbook, seconds: int) -> dict[str, float]:
    """Creations a second with a hashing thread on each of two cores, beside what two do with argon2 alone."""
    before = hashes_per_second(2, seconds)
    peer.serve(cpus=BOTH_CPUS)
    seen = load(peer.port, peer.calls["W4"], connections=4, seconds=seconds)
    peer.process.stop()
    raw = (before + hashes_per_second(2, seconds)) / 2
    return {
        "creates_per_second": seen.rate,
        "argon2_per_second": raw,
        "share": seen.rate / raw,
        "failures": seen.refused + seen.broken,
    }


def half_open(peer: Rollbook, seconds: int) -> dict[str, float]:
    """W2 with and without 200 connections that stop in the middle of a request; when each of those is closed."""
    call = peer.calls["W2"]
    load(peer.port, call, connections=8, seconds=1)
    alone = load(peer.port, call, connections=8, seconds=seconds)
    clients = HalfOpen(peer.port, peer.headers["Authorization"])
    beside = load(peer.port, call, connections=8, seconds=seconds)
    clients.join()
    return {
        "alone_p99_ms": alone.p99_ms,
        "beside_p99_ms": beside.p99_ms,
        "alone_rate": alone.rate,
        "beside_rate": beside.rate,
        "closed": len(clients.closed_after),
        "slowest_close_s": max(clients.closed_after, default=0.0),
        "failures": beside.refused + beside.broken,
    }


class HalfOpen(threading.Thread):
    """200 connections of which half stop in the header fields and half in the body, watched for 45 s at most."""

    def __init__(self, port: int, authorization: str) -> None:
        super().__init__(daemon=True)
        head = "Host: 127.0.0.1\r\n"
        beginnings = (
            f"GET /v1/users HTTP/1.1\r\n{head}X-Slow: ",
            f"POST /v1/users HTTP/1.1\r\n{head}Authorization: {authorization}\r\nContent-Type: "
            f"application/json\r\nContent-Length: 500\r\n\r\n{{",
        )
        self.closed_after: list[float] = []
        self._selector = selectors.DefaultSelector()
        for number in range(HALF_OPEN):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(beginnings[number % 2].encode())
            self._selector.register(connection, selectors.EVENT_READ, time.monotonic())
        self.start()

    def run(self) -> None:
        end = time.monotonic() + 45
        while self._selector.get_map() and time.monotonic() < end:
            for key, _ in self._selector.select(0.5):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                try:
                    ended = not connection.recv(65_536)
                except ConnectionError:
                    ended = True
                if ended:
                    self.closed_after.append(time.monotonic() - key.data)
                    self._selector.unregister(connection)
                    connection.close()
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]


def pages_anywhere(peer: Rollbook, how_many: int = 1_000) -> dict[str, float]:
    """Milliseconds of a page of 20 at an offset by chance, one after the other on one connection: the whole answers'
    median and 99th percentile."""
    total = peer.total()
    choose = random.Random(7)
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=60)
    times = []
    for number in range(2 * how_many):
        began = time.perf_counter()
        connection.request("GET", f"/v1/users?limit=20&offset={choose.randrange(total)}", headers=peer.headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a page answered {answer.status}: {body!r}")
        if number >= how_many:  # those before warm up the caches
            times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return {"median": statistics.median(times), "p99": statistics.quantiles(times, n=100)[98]}


def search(peer: Rollbook) -> dict[str, float]:
    """Milliseconds of a search, one after the other on one connection: the answer's median and longest for four kinds
    of `q`."""
    total = peer.total()
    kinds = {
        "one hit": [f"user{number * (total // SEARCHES)}@" for number in range(SEARCHES)],
        "a full name": [f"{GIVEN[n % len(GIVEN)]} {FAMILY[n % len(FAMILY)]}" for n in range(SEARCHES)],
        "a family name": [FAMILY[n % len(FAMILY)] for n in range(SEARCHES)],
        "no hit": [f"zq{number}xj" for number in range(SEARCHES)],
    }
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=60)
    figures: dict[str, float] = {}
    for kind, queries in kinds.items():
        times = []
        for query in queries:
            began = time.perf_counter()
            connection.request("GET", f"/v1/users?limit=20&q={urllib.parse.quote(query)}", headers=peer.headers)
            answer = connection.getresponse()
            body = answer.read()
            times.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                raise RuntimeError(f"search for {query!r} answered {answer.status}: {body!r}")
        figures |= {f"{kind}, median ms": statistics.median(times), f"{kind}, longest ms": max(times)}
    connection.close()
    return figures
