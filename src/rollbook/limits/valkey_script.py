"""Counts a request inside Valkey: the arithmetic of `windows` as one Lua script, `bucket.lua`, and the commands that
call it.

A bucket is one string: for each of its cells SECONDS and USED as 32-bit numbers, ENDS as a double (exact to the
microsecond until the year 2255). It vanishes by itself once its last window is over. A script runs alone
(https://valkey.io/topics/eval-intro/): what it looks at and what it counts is one step, over both buckets of a call.
"""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

from rollbook.limits.windows import Verdict
from rollbook.quota import NO_LIMIT, Limit, Window

SCRIPT = Path(__file__).with_name("bucket.lua").read_bytes()

# Buckets of wrong passwords: of an account, and of the address that somebody tries from.
PASSWORDS = ("attempts:", "sign-in:")

DIGEST = sha1(SCRIPT).hexdigest().encode()

_BY_DIGEST = b"$7\r\nEVALSHA\r\n$40\r\n%b\r\n" % DIGEST
_WHOLE = b"$4\r\nEVAL\r\n$%d\r\n%b\r\n" % (len(SCRIPT), SCRIPT)
_tails: dict[tuple[str, Limit, Limit], tuple[bytes, bytes]] = {}


def name(bucket: str) -> bytes:
    """The key of a bucket. In a cluster the text in braces decides where it is kept, so that one script reaches both
    buckets of a call: those of a user's API keys (`user_…:key_…`) with the user's own, and everything about wrong
    passwords in one place."""
    if bucket.startswith("user_"):
        user, colon, rest = bucket.partition(":")
        return f"rollbook:{{{user}}}{colon}{rest}".encode()
    if bucket.startswith(PASSWORDS):
        return f"rollbook:{{passwords}}{bucket}".encode()
    return f"rollbook:{{{bucket}}}".encode()


def command(
    verb: str, now: int, key: bytes, limit: Limit, own: bytes | None = None, own_limit: Limit = NO_LIMIT
) -> bytes:
    """Call the script, by its digest. `verb` is take, peek, back, or how many requests to take at once; `now` in
    microseconds, or 0 for Valkey's own clock."""
    tails = _tails.get((verb, limit, own_limit)) or _tail(verb, limit, own_limit)
    moment = b"%d" % now
    if own is None:
        return tails[0] % (len(key), key, len(moment), moment)
    return tails[1] % (len(key), key, len(own), own, len(moment), moment)


def whole(command: bytes) -> bytes:
    """The call with the script itself instead of its digest, for a Valkey that does not know it."""
    return command.replace(_BY_DIGEST, _WHOLE, 1)


def _tail(verb: str, limit: Limit, own_limit: Limit) -> tuple[bytes, bytes]:
    """The command with one key or two, but for what differs from call to call. Kept: a server has few limits."""

    def template(keys: int, *limits: Limit) -> bytes:
        arguments = words(verb, 0, *limits)[1:]  # without the moment
        head = b"*%d\r\n%b$1\r\n%d\r\n" % (len(arguments) + keys + 4, _BY_DIGEST, keys)
        tail = "".join(f"${len(word)}\r\n{word}\r\n" for word in arguments).encode()
        return head + b"$%d\r\n%b\r\n" * (keys + 1) + tail

    if len(_tails) >= 10_000:
        _tails.clear()
    tails = _tails[verb, limit, own_limit] = (template(1, limit), template(2, limit, own_limit))
    return tails


def words(verb: str, now: int, limit: Limit, own_limit: Limit = NO_LIMIT) -> list[str]:
    """The arguments of the script, for one bucket or two."""
    texts = [str(now), verb]
    for windows in (limit, own_limit) if own_limit else (limit,):
        texts += [str(len(windows)), *(str(number) for window in windows for number in window)]
    return texts


# A take that must succeed before a connection is ready, and while it is idle.
PROBE_LIMIT = Limit([Window(1_000_000_000, 1)])
PROBE = command("take", 0, name("probe"), PROBE_LIMIT)


def verdict(reply: bytes) -> Verdict:
    """Verdict in the script's answer to a take."""
    numbers = [*map(int, reply.split())]
    if len(numbers) == 6:
        admitted, at, left, reset, more_left, more_reset = numbers
        return Verdict(admitted == 1, ((left, reset), (more_left, more_reset)), at)
    return Verdict(numbers[0] == 1, pairs(reply), numbers[1])


def pairs(reply: bytes) -> tuple[tuple[int, int], ...]:
    """Windows of a reply: for each, how many requests are left, and the seconds to its reset."""
    numbers = [*map(int, reply.split())]
    return tuple(zip(numbers[2::2], numbers[3::2], strict=True))
