-- Charges all limits of one call, or none. The arithmetic is that of gcra.rs;
-- every number is a whole count of microseconds far below 2^53, where Lua's
-- numbers are exact.
--
-- KEYS     a counter for each limit, all with one hash tag
-- ARGV[1]  the time; empty for the server's own, which is the only one that
--          all gateways share (tests give it)
-- ARGV[2n], ARGV[2n+1]  interval and tolerance of the n-th limit
--
-- Returns whether the call may pass (1 or 0), and each limit's backlog.
local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[1])
end

local answer = {1}
for n, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * n]), tonumber(ARGV[2 * n + 1])
  local value = redis.call('GET', key)
  local backlog = 0
  if value then
    local rest = tonumber(value)
    -- The second question is whether it is "not a number" of another kind.
    if not rest or rest ~= rest then
      return redis.error_reply('ERR a quota counter holds no number')
    end
    backlog = math.min(math.max(rest - now, 0), tolerance)
  end
  if backlog + interval > tolerance then
    answer[1] = 0
  end
  answer[n + 1] = backlog
end

if answer[1] == 1 then
  for n, key in ipairs(KEYS) do
    local backlog = answer[n + 1] + tonumber(ARGV[2 * n])
    answer[n + 1] = backlog
    -- A counter at rest says nothing. The minute more is for a clock that is
    -- set back, as when another server takes over.
    local life = math.ceil(backlog / 1000) + 60000
    redis.call('SET', key, string.format('%.0f', now + backlog), 'PX', string.format('%.0f', life))
  end
end
return answer
