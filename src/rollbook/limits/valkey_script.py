"""Counts a request inside Valkey: the arithmetic of `windows` as one Lua script, and the commands that call it.

A bucket is one string: for each of its cells SECONDS and USED as 32-bit numbers, ENDS as a double (exact to the
microsecond until the year 2255). It vanishes by itself once its last window is over. A script runs alone
(https://valkey.io/topics/eval-intro/): what it looks at and what it counts is one step, over both buckets of a call.
"""

from __future__ import annotations

from hashlib import sha1

from rollbook.limits.windows import Verdict
from rollbook.quota import NO_LIMIT, Limit, Window

SCRIPT = b"""
-- KEYS: one bucket or two. ARGV: the moment in microseconds, or 0 for the clock of this server; what to do (take, peek,
-- back, or how many to take at once); then for each bucket how many windows its limit has, and their calls and seconds.
local SECOND, MOST, KEPT = 1000000, 4, 10000
local FORMS = {[16] = '<I4I4d', [32] = '<I4I4dI4I4d', [48] = '<I4I4dI4I4dI4I4d', [64] = '<I4I4dI4I4dI4I4dI4I4d'}
local now, verb, requests, argument = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[2]), 3
if requests then verb = 'take' else requests = 1 end
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * SECOND + time[2]
end

-- Numbers of a bucket: SECONDS, USED, ENDS of each cell. What is not ours is as good as nothing.
local function read(key)
  local text = redis.pcall('GET', key)
  local form = type(text) == 'string' and FORMS[#text]
  if not form then return {} end
  local cells = {struct.unpack(form, text)}
  cells[#cells] = nil
  return cells
end

local function write(key, cells)
  local last = 0
  for at = 3, #cells, 3 do last = math.max(last, cells[at]) end
  local left = math.max(1, math.ceil((last - now) / 1000)) + KEPT
  redis.call('SET', key, struct.pack(FORMS[#cells / 3 * 16], unpack(cells)), 'PX', string.format('%.0f', left))
end

-- Where the cell of a window starts, for one that is not at its place.
local function find(cells, limit, seconds)
  for at = 1, #cells, 3 do
    if cells[at] == seconds then return at end
  end
  local place = #cells + 1
  if place > MOST * 3 then
    place = nil
    for at = 1, #cells, 3 do
      local kept = false
      for window = 2, #limit, 2 do kept = kept or limit[window] == cells[at] end
      if not kept and (not place or cells[at + 2] < cells[place + 2]) then place = at end
    end
  end
  cells[place], cells[place + 1], cells[place + 2] = seconds, 0, 0
  return place
end

local admitted = 1
local buckets, answer = {}, {}
for number = 1, #KEYS do
  local limit = {}
  local last = argument + 2 * ARGV[argument]
  for at = argument + 1, last do limit[#limit + 1] = tonumber(ARGV[at]) end
  argument = last + 1
  local cells, places, dirty = read(KEYS[number]), {}, false
  if verb == 'take' then
    for window = 1, #limit, 2 do
      local calls, seconds = limit[window], limit[window + 1]
      local at = (window - 1) * 1.5 + 1
      if cells[at] ~= seconds then at = find(cells, limit, seconds) end
      local wait = cells[at + 2] - now
      if wait > 0 then
        if wait > seconds * SECOND then
          -- Starts in the future: the clock was set back. Keep the count, but wait at most one whole window.
          wait = seconds * SECOND
          cells[at + 2] = now + wait
          dirty = true
        end
        local left = calls - cells[at + 1] - requests
        if left < 0 then admitted = 0 end
        answer[#answer + 1] = left
        answer[#answer + 1] = math.ceil(wait / SECOND)
        places[#places + 1] = 0
      else
        if calls < requests then admitted = 0 end
        answer[#answer + 1] = calls - requests
        answer[#answer + 1] = seconds
        places[#places + 1] = now + seconds * SECOND
      end
      places[#places + 1] = at
    end
    buckets[number] = {cells, places, dirty}
  elseif verb == 'peek' then
    for window = 1, #limit, 2 do
      local left, reset = limit[window], limit[window + 1]
      for at = 1, #cells, 3 do
        local wait = cells[at + 2] - now
        if cells[at] == limit[window + 1] and wait > 0 then
          left = math.max(0, left - cells[at + 1])
          reset = math.min(math.ceil(wait / SECOND), reset)
        end
      end
      answer[#answer + 1] = left
      answer[#answer + 1] = reset
    end
  else
    for at = 1, #cells, 3 do
      local seconds, used, ends = cells[at], cells[at + 1], cells[at + 2]
      for window = 2, #limit, 2 do
        if limit[window] == seconds and ends - seconds * SECOND <= now and now < ends and used > 0 then
          cells[at + 1] = used - 1
          dirty = true
        end
      end
    end
    if dirty then write(KEYS[number], cells) end
  end
end

if verb == 'take' then
  for number = 1, #KEYS do
    local cells, places, dirty = unpack(buckets[number])
    if admitted == 1 then
      for place = 1, #places, 2 do
        local ends, at = places[place], places[place + 1]
        if ends > 0 then
          cells[at + 1], cells[at + 2] = requests, ends
        else
          cells[at + 1] = cells[at + 1] + requests
        end
      end
      dirty = true
    end
    if dirty then write(KEYS[number], cells) end
  end
  if admitted == 0 then
    -- Less than nothing is left where the limit was lowered since.
    for at = 1, #answer, 2 do answer[at] = math.max(0, answer[at] + requests) end
  end
end
return redis.status_reply(string.format('%d %.0f ', admitted, now) .. table.concat(answer, ' '))
"""

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
    """The same call with the script in it, for a Valkey that does not know it."""
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
    found = [str(now), verb]
    for windows in (limit, own_limit) if own_limit else (limit,):
        found += [str(len(windows)), *(str(number) for window in windows for number in window)]
    return found


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
