"""`rollbook` on a machine whose clock is an hour ahead."""

from __future__ import annotations

import time

_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + 3600
time.time_ns = lambda: _time_ns() + 3600 * 10**9

from rollbook.cli.main import main  # noqa: E402 - what it imports must find that clock

if __name__ == "__main__":
    main()
