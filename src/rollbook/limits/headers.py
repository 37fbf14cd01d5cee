"""The RateLimit header fields of every response to a request that was counted or refused.

`RateLimit-Limit`, `-Remaining` and `-Reset` speak of one window, the one with the fewest requests left
(draft-ietf-httpapi-ratelimit-headers-06 section 3: "the time window with the lower RateLimit-Remaining"); of several,
the one that resets last. `RateLimit-Policy` and `RateLimit` list all windows (the newest draft, from version 08 on).
"""

from __future__ import annotations

from rollbook.limits.windows import Verdict
from rollbook.quota import Limit

_templates: dict[tuple[Limit, Limit], tuple[bytes, ...]] = {}


def render(limit: Limit, own_limit: Limit, verdict: Verdict) -> bytes:
    """Header lines, each ended by CRLF; none without a limit. A key's own windows are called `key-minute` and so on."""
    left = verdict.left
    if not left:
        return b""
    lines = templates(limit, own_limit)
    tightest = left[0]
    tightest_index = index = 0
    for window in left:
        if window[0] <= tightest[0] and (window[0] < tightest[0] or window[1] > tightest[1]):
            tightest = window
            tightest_index = index
        index += 1
    return lines[tightest_index] % sum(left, tightest)


def templates(limit: Limit, own_limit: Limit) -> tuple[bytes, ...]:
    """Templates of the lines, one for each window that may be the tightest: its two numbers, then those of all
    windows."""
    return _templates.get((limit, own_limit)) or _make(limit, own_limit)


def _make(limit: Limit, own_limit: Limit) -> tuple[bytes, ...]:
    """Cached: a server has few different limits."""
    windows = [(window.name, window) for window in limit] + [(f"key-{window.name}", window) for window in own_limit]
    policy = ", ".join(f'"{label}";q={window.calls};w={window.seconds}' for label, window in windows)
    state = ", ".join(f'"{label}";r=%d;t=%d' for label, _ in windows)
    made = tuple(
        (
            f"RateLimit-Limit: {window.calls}\r\nRateLimit-Remaining: %d\r\nRateLimit-Reset: %d\r\n"
            f"RateLimit-Policy: {policy}\r\nRateLimit: {state}\r\n"
        ).encode()
        for _, window in windows
    )
    if len(_templates) >= 10_000:
        _templates.clear()
    _templates[limit, own_limit] = made
    return made
