-- What wrk sends. Arguments: METHOD PATH BODY IDS TAG [PAUSE]. "@ID@" in PATH or BODY becomes the next line of the file IDS, "@N@" in BODY a
-- text that no other request of any run has. A connection waits PAUSE milliseconds on average before each request. Header fields come from wrk's
-- own -H.
local method, path, rest, body, ids, tag
local line, count = 0, 0
local fixed

function init(args)
  method, path, body, tag = args[1], args[2], args[3], args[5]
  local from, to = path:find("@ID@", 1, true)
  if args[4] ~= "-" then
    ids = {}
    for id in io.lines(args[4]) do ids[#ids + 1] = id end
  end
  if from then path, rest = path:sub(1, from - 1), path:sub(to + 1) end
  if body == "" then body = nil end
  if not ids and not body then fixed = wrk.format(method, path) end
  local pause = tonumber(args[6] or 0)
  if pause > 0 then delay = function() return math.random(0, 2 * pause) end end
end

function request()
  if fixed then return fixed end
  count = count + 1
  local target, content = path, body
  if ids then
    line = line % #ids + 1
    if rest then target = path .. ids[line] .. rest else content = content:gsub("@ID@", ids[line]) end
  end
  if content then content = content:gsub("@N@", tag .. count) end
  return wrk.format(method, target, nil, content)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
