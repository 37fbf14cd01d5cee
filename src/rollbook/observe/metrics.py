"""Metrics of all workers, counted in shared memory and rendered in the Prometheus text format.

The parent creates `Metrics` before it forks. Each process has a row of 64-bit numbers of its own, so counting takes no
lock; `render`, in whichever worker is asked, adds the rows up. A killed worker loses nothing: the one in its place goes
on in its row.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rollbook import __version__, errors
from rollbook.unix import resource

UNMATCHED = -1
"""The route index of a request that matched no route."""


REFUSALS = (
    "user.sign_in_failed",
    "user.confirmation_failed",
    "user.locked_out",
    "key.refused",
    "session.form_refused",
)
"""Types of events about what was refused."""


class Family(NamedTuple):
    """Samples that share a name. `samples` are what `add` or `set` calls them, and their labels."""

    kind: str
    name: str
    help: str
    samples: dict[str, str]


# Every counter and gauge that code elsewhere moves by its name: `metrics.add("rate_limited_user")`,
# `metrics.set("connections_open", 7)`. An error's name is its code: `metrics.add(error.code)`.
NAMED = (
    Family(
        "counter",
        "rollbook_errors",
        "Error responses, by their code.",
        {code: f'code="{code}"' for code in dict.fromkeys(error.code for error in errors.tree())},
    ),
    Family(
        "counter",
        "rollbook_rate_limited",
        "Requests refused by a rate limit, by the kind of limit.",
        {f"rate_limited_{who}": f'by="{who}"' for who in ("user", "address", "attempts")},
    ),
    Family(
        "counter",
        "rollbook_security_refusals",
        "Passwords, keys and forms that were refused, by the type of their event, which is recorded once a minute.",
        {f"refused_{type}": f'type="{type}"' for type in REFUSALS},
    ),
    Family(
        "counter",
        "rollbook_limiter_evictions",
        "Windows dropped from a full table of the limiter before their end.",
        {"limiter_evictions": ""},
    ),
    Family(
        "gauge",
        "rollbook_limits_away",
        "Workers that cannot reach Valkey, where requests are to be counted.",
        {"limits_away": ""},
    ),
    Family(
        "counter",
        "rollbook_limits_counted_locally",
        "Requests counted on this server only, while Valkey was away.",
        {"limits_local": ""},
    ),
    Family(
        "counter",
        "rollbook_password_hashes",
        "Passwords hashed or verified, or refused because too many were waiting.",
        {"hashes_done": 'outcome="done"', "hashes_refused": 'outcome="refused"'},
    ),
    Family(
        "gauge",
        "rollbook_password_hashes_waiting",
        "Passwords waiting for a thread that hashes them.",
        {"hashes_waiting": ""},
    ),
    Family(
        "counter",
        "rollbook_access_lines_dropped",
        "Request log lines dropped because the reader was too slow.",
        {"access_lines_dropped": ""},
    ),
    Family(
        "counter",
        "rollbook_webhook_deliveries",
        "Attempts to deliver events to webhooks, without tests.",
        {f"webhook_{outcome}": f'outcome="{outcome}"' for outcome in ("delivered", "failed")},
    ),
    Family(
        "counter",
        "rollbook_mails",
        "Attempts to send mails, without tests.",
        {f"mail_{outcome}": f'outcome="{outcome}"' for outcome in ("delivered", "failed")},
    ),
    Family("gauge", "rollbook_connections_open", "Open client connections.", {"connections_open": ""}),
    Family("gauge", "rollbook_writes_waiting", "Writes waiting for the database.", {"writes_waiting": ""}),
    Family("counter", "rollbook_worker_restarts", "Workers restarted after they died.", {"worker_restarts": ""}),
)

STATUSES = tuple(sorted({200, 201, 204, 304} | {error.status for error in errors.tree()}))
# Upper bounds, inclusive. From a cached read of some 50 µs to a hash of a password behind a long queue. Each is a
# series of every busy route.
DURATIONS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000)  # microseconds
COMMITS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # writes

# A row: the process's id; the named numbers; the commits; then for each route its statuses and its durations.
# A histogram is a number for each bucket, one for what exceeds them all, and the sum.
_NAMED_AT = {name: at for at, name in enumerate((name for family in NAMED for name in family.samples), start=1)}
_GAUGES_AT = tuple(_NAMED_AT[name] for family in NAMED if family.kind == "gauge" for name in family.samples)
_COMMITS_AT = 1 + len(_NAMED_AT)
_COMMITS_SUM = len(COMMITS) + 1
_ROUTES_AT = _COMMITS_AT + _COMMITS_SUM + 1
_STATUS_AT = {status: at for at, status in enumerate(STATUSES)}
_OTHER_STATUS = len(STATUSES)
_DURATIONS_AT = len(STATUSES) + 1
_DURATIONS_SUM = _DURATIONS_AT + len(DURATIONS) + 1
_ROUTE_WIDTH = _DURATIONS_SUM + 1


class ProcessResources(NamedTuple):
    """Resources that a process takes of the machine."""

    process: str
    """`parent`, or the number of the worker."""
    memory: int
    """Resident bytes, shared pages included."""
    cpu: float
    """Seconds of user and system time since it began."""
    started: float
    """Seconds since 1970."""
    open_files: int


class Metrics:
    """Counts in the row of this process; before `join`, that is the parent's own.

    A number is changed by `row[at] += n`, which CPython's lock makes whole among the threads of a process: the lock
    changes hands only at calls and loops. What a counter shows is the total since the parent started.
    """

    def __init__(self, routes: Sequence[str], workers: int = 1) -> None:
        """`routes` are `METHOD /path`; the index into them is what `request` takes."""
        self._labels = [_labels("other", "unmatched"), *(_labels(*route.split(" ", 1)) for route in routes)]
        width = _ROUTES_AT + len(self._labels) * _ROUTE_WIDTH
        width += -width % 8  # rows begin on a cache line: workers do not slow each other down
        table = memoryview(mmap.mmap(-1, (workers + 1) * width * 8)).cast("Q")
        self._rows = [table[at : at + width] for at in range(0, len(table), width)]
        self._started = time.time()
        self._row = self._rows[-1]
        self._row[0] = os.getpid()

    def join(self, worker: int) -> None:
        """From now on this process counts as this worker, 0 being the first. Counters go on; gauges start at 0."""
        self._row = self._rows[worker]
        self._row[0] = os.getpid()
        for at in _GAUGES_AT:
            self._row[at] = 0

    def request(self, route: int, status: int, microseconds: int) -> None:
        """Count one answered request: its route's index or `UNMATCHED`, its status, how long it took."""
        row = self._row
        at = _ROUTES_AT + _ROUTE_WIDTH + route * _ROUTE_WIDTH
        row[at + _STATUS_AT.get(status, _OTHER_STATUS)] += 1
        row[at + _DURATIONS_AT + bisect_left(DURATIONS, microseconds)] += 1
        row[at + _DURATIONS_SUM] += microseconds

    def commit(self, writes: int) -> None:
        """Count one commit and the writes it holds."""
        row = self._row
        row[_COMMITS_AT + bisect_left(COMMITS, writes)] += 1
        row[_COMMITS_AT + _COMMITS_SUM] += writes

    def add(self, counter: str, n: int = 1) -> None:
        """Add to a counter of `NAMED`. Raises KeyError when there is none of that name."""
        self._row[_NAMED_AT[counter]] += n

    def set(self, gauge: str, value: int) -> None:
        """Set this process's part of a gauge of `NAMED`, 0 or more. Raises KeyError when there is none of that name."""
        self._row[_NAMED_AT[gauge]] = value

    @property
    def started(self) -> float:
        """Time at which the server started, in seconds since 1970."""
        return self._started

    def usages(self) -> list[ProcessResources]:
        """Resources of each process of the server; empty where the system does not tell."""
        seen: dict[int, str] = {}
        for number, row in enumerate(self._rows):
            # With one worker, worker and parent can be one process.
            if row[0]:
                seen.setdefault(row[0], "parent" if number == len(self._rows) - 1 else str(number))
        return [ProcessResources(process, *usage) for pid, process in seen.items() if (usage := _usage(pid))]

    def total(self, name: str) -> int:
        """A number of `NAMED` over all processes."""
        at = _NAMED_AT[name]
        return sum(row[at] for row in self._rows)

    def render(self, sizes: Sequence[tuple[str, str, int]] = ()) -> bytes:
        """All metrics in the Prometheus text format 0.0.4, without routes and statuses not seen yet. `sizes` are more
        gauges.

        Written here rather than by prometheus_client, whose import (80 ms) and `generate_latest` (10 to 15 ms for 50
        busy routes) would hold up every request of this worker at each scrape.
        """
        text = _Text()
        totals = [sum(column) for column in zip(*(row.tolist() for row in self._rows), strict=True)]

        text.family("gauge", "rollbook_build_info", "Constant 1; the labels say what is running.")
        python = ".".join(map(str, sys.version_info[:3]))
        text.sample("rollbook_build_info", f'version="{__version__}",python="{python}"', 1)
        text.family("gauge", "rollbook_start_time_seconds", "When the server started, in seconds since 1970.")
        text.sample("rollbook_start_time_seconds", "", round(self._started, 3))

        self._requests(text, totals)
        name = "rollbook_storage_commit_writes"
        text.family(
            "histogram", name, "Writes that share a commit: the count is that of commits, the sum that of writes."
        )
        buckets = totals[_COMMITS_AT : _COMMITS_AT + _COMMITS_SUM]
        text.histogram(name, "", [f"{bound}.0" for bound in COMMITS], buckets, totals[_COMMITS_AT + _COMMITS_SUM])
        for family in NAMED:
            full_name = family.name + ("_total" if family.kind == "counter" else "")
            text.family(family.kind, full_name, family.help)
            for name, label in family.samples.items():
                text.sample(full_name, label, totals[_NAMED_AT[name]])
        for name, help, size in sizes:
            text.family("gauge", name, help)
            text.sample(name, "", size)
        self._processes(text)
        return text.encode()

    def _requests(self, text: _Text, totals: list[int]) -> None:
        routes = [(label, _ROUTES_AT + number * _ROUTE_WIDTH) for number, label in enumerate(self._labels)]
        name = "rollbook_http_requests_total"
        text.family("counter", name, "Requests answered.")
        for label, at in routes:
            for status, count in zip((*STATUSES, "other"), totals[at : at + _DURATIONS_AT], strict=True):
                if count:
                    text.sample(name, f'{label},status="{status}"', count)
        name = "rollbook_http_request_duration_seconds"
        text.family("histogram", name, "Time from the last byte of a request to its answer.")
        for label, at in routes:
            buckets = totals[at + _DURATIONS_AT : at + _DURATIONS_SUM]
            if any(buckets):
                text.histogram(name, label, _SECONDS, buckets, totals[at + _DURATIONS_SUM] / 1e6)

    def _processes(self, text: _Text) -> None:
        """By the names that all of Prometheus' client libraries use, which dashboards expect."""
        usages = self.usages()
        for kind, name, help, values in (
            (
                "gauge",
                "process_resident_memory_bytes",
                "Resident memory, shared pages included.",
                [process.memory for process in usages],
            ),
            ("counter", "process_cpu_seconds_total", "User and system CPU time.", [process.cpu for process in usages]),
            (
                "gauge",
                "process_start_time_seconds",
                "When it started, in seconds since 1970.",
                [process.started for process in usages],
            ),
            ("gauge", "process_open_fds", "Open file descriptors.", [process.open_files for process in usages]),
            (
                "gauge",
                "process_max_fds",
                "Open file descriptors allowed.",
                [resource.getrlimit(resource.RLIMIT_NOFILE)[0]] * len(usages),
            ),
        ):
            text.family(kind, name, help)
            for usage, value in zip(usages, values, strict=True):
                text.sample(name, f'worker="{usage.process}"', value)


class _Text:
    """The Prometheus text format, line by line."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(self, kind: str, name: str, help: str) -> None:
        self._lines += (f"# HELP {name} {help}", f"# TYPE {name} {kind}")

    def sample(self, name: str, labels: str, value: float) -> None:
        self._lines.append(f"{name}{{{labels}}} {value}" if labels else f"{name} {value}")

    def histogram(self, name: str, labels: str, bounds: Iterable[str], buckets: list[int], total: float) -> None:
        """`buckets` hold each its own; the format wants them added up."""
        before = labels + "," if labels else ""
        below = 0
        for bound, count in zip((*bounds, "+Inf"), buckets, strict=True):
            below += count
            self._lines.append(f'{name}_bucket{{{before}le="{bound}"}} {below}')
        self.sample(f"{name}_count", labels, below)
        self.sample(f"{name}_sum", labels, total)

    def encode(self) -> bytes:
        return ("\n".join(self._lines) + "\n").encode()


_SECONDS = [repr(bound / 1e6) for bound in DURATIONS]


def _labels(method: str, path: str) -> str:
    escaped = path.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'method="{method}",route="{escaped}"'


def _usage(pid: int) -> tuple[int, float, float, int] | None:
    """Resident bytes, CPU seconds, start and open files of a process, from Linux' proc(5). None when it is gone or
    there is no such file system."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            memory = int(file.read().split()[1]) * mmap.PAGESIZE
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field, the command in parentheses, may itself hold spaces and parentheses.
            fields = file.read().rpartition(b")")[2].split()
        open_files = len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, IndexError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    return memory, (int(fields[11]) + int(fields[12])) / ticks, round(time.time() - age, 2), open_files
