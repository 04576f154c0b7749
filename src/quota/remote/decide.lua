-- Decides about one call: charges all its counters, or none. The arithmetic is
-- that of check.rs; every number is a whole count of microseconds (or of calls)
-- far below 2^53, where Lua's numbers are exact.
--
-- KEYS     the counter of each check, all with one hash tag
-- ARGV[1]  the time; empty for the server's own, which is the only one that
--          all gateways share (tests give it)
-- ARGV[2]  the name of the lease to take; `look`: nothing is to be changed
-- then for each check its kind and two numbers:
--   r  rate      cost, tolerance                 "rest start back" (gcra.rs)
--   l  lease     most, time of a lease           sorted set: end of each lease
--   b  budget    most, window (0: to midnight)   "count end"
--   o  once      free retries, time              "retries+1 end"
--   c  credit    -, -                            "1 end"
--
-- Returns whether the call may pass, the number of the check that says it was
-- charged before (else 0), the time, and what each check reads; of a budget also when it ends, of a rate also how
-- much had been taken out of its queue.
local DAY = 86400000000
local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[1])
end
local looking = ARGV[2] == 'look'

local function whole(number)
  return string.format('%.0f', number)
end

-- A counter at rest says nothing. The minute more is for a clock that is set
-- back, as when another server takes over.
local function life(backlog)
  return whole(math.ceil(backlog / 1000) + 60000)
end

local count = #KEYS
local values, ends, starts, backs = {}, {}, {}, {}
-- What stops a call that was not charged before, a retry, an answer.
local stopped, spent, bound, freed_by = false, false, false, 0
for n = 1, count do
  local at = 3 * n
  local kind, first, second = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local key, value = KEYS[n], 0
  if kind == 'l' then
    value = redis.call('ZCOUNT', key, '(' .. whole(now), '+inf')
    if value >= first then
      bound = true
    end
  else
    local text = redis.call('GET', key)
    if kind == 'r' then
      if text then
        local rest, start, back = string.match(text, '^(%d+) (%d+) (%d+)$')
        if not rest then
          return redis.error_reply('ERR a quota counter holds no number')
        end
        local backlog = math.max(tonumber(rest) - now, 0)
        value = math.min(backlog, second)
        -- Otherwise at rest, or cut to the tolerance: a queue begins anew.
        if value > 0 and value == backlog then
          starts[n], backs[n] = tonumber(start), tonumber(back)
        end
      end
      if value + first > second then
        stopped = true
      end
    else
      if text then
        local number, last = string.match(text, '^(%d+) (%d+)$')
        if not number then
          return redis.error_reply('ERR a quota counter holds no number')
        end
        if tonumber(last) > now then
          value, ends[n] = tonumber(number), tonumber(last)
        end
      end
      if kind == 'b' then
        if value >= first then
          spent = true
        end
      elseif freed_by == 0 and value > 0 and (kind == 'c' or value <= first) then
        freed_by = n
      end
    end
  end
  values[n] = value
end

local free = freed_by > 0
-- An answer is the call that was charged; a retry is another attempt, and
-- budgets count attempts.
local answers = free and ARGV[3 * freed_by] == 'c'
local admitted = not bound and (answers or not spent) and (free or not stopped)
if admitted and not looking then
  for n = 1, count do
    local at = 3 * n
    local kind, first, second = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local key = KEYS[n]
    if kind == 'l' then
      redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
      redis.call('ZADD', key, whole(now + second), ARGV[2])
      redis.call('PEXPIRE', key, life(second))
      values[n] = values[n] + 1
    elseif kind == 'r' then
      if not free then
        local backlog = values[n] + first
        values[n] = backlog
        local queue = whole(now + backlog) .. ' ' .. whole(starts[n] or now) .. ' ' .. whole(backs[n] or 0)
        redis.call('SET', key, queue, 'PX', life(backlog))
      end
    elseif kind == 'b' then
      if not answers then
        local last = ends[n]
        if not last then
          last = second > 0 and now + second or now - now % DAY + DAY
        end
        values[n], ends[n] = values[n] + 1, last
        redis.call('SET', key, whole(values[n]) .. ' ' .. whole(last), 'PX', life(last - now))
      end
    elseif kind == 'o' then
      local last = now + second
      if freed_by == n then
        values[n], last = values[n] + 1, ends[n]
      else
        values[n] = 1
      end
      redis.call('SET', key, whole(values[n]) .. ' ' .. whole(last), 'PX', life(last - now))
    elseif freed_by == n then
      values[n] = 0
      redis.call('DEL', key)
    end
  end
end

local answer = {admitted and 1 or 0, freed_by, now}
for n = 1, count do
  answer[#answer + 1] = values[n]
  if ARGV[3 * n] == 'b' then
    answer[#answer + 1] = ends[n] or 0
  elseif ARGV[3 * n] == 'r' then
    answer[#answer + 1] = backs[n] or 0
  end
end
return answer
