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
