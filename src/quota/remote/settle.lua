-- Takes charges of a call back, or says that it is still in progress. The
-- arithmetic is that of gcra.rs and memory.rs.
--
-- KEYS     counters, all with one hash tag
-- ARGV[1]  the time; empty for the server's own
-- ARGV[2]  the name of the call's lease
-- then for each key what is to be done, and four numbers:
--   r  gives back what lies ahead of a charge: its cost, when it was made, and
--      what the counter read after it: the time of rest, and how much had been
--      taken out of the queue
--   l  returns the lease
--   n  makes the lease last for so long from now, also where it was lost
--   b  takes one from a budget that ends then
--   o  forgets that the call was charged, which is known until then; to come
--      first: where a retry has been free meanwhile, that one has the charge, or
--      another charge has followed, `r`, `o`, `c` do nothing
--   c  a question stands again, for so long
local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[1])
end

local MOST_BACK = 2 ^ 52

local function whole(number)
  return string.format('%.0f', number)
end

local function life(backlog)
  return whole(math.ceil(backlog / 1000) + 60000)
end

local retried = false
for n, key in ipairs(KEYS) do
  local at = 5 * n - 2
  local kind, first = ARGV[at], tonumber(ARGV[at + 1])
  if kind == 'l' then
    redis.call('ZREM', key, ARGV[2])
  elseif kind == 'n' then
    redis.call('ZADD', key, whole(now + first), ARGV[2])
    redis.call('PEXPIRE', key, life(first))
  elseif kind == 'o' then
    local text = redis.call('GET', key)
    local number, last = string.match(text or '', '^(%d+) (%d+)$')
    if number and tonumber(last) == first and first > now and tonumber(number) == 1 then
      redis.call('DEL', key)
    else
      retried = true
    end
  elseif retried and (kind == 'r' or kind == 'c') then
    -- Nothing.
  elseif kind == 'r' then
    local made, read, before = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    local text = redis.call('GET', key)
    local rest, start, back = string.match(text or '', '^(%d+) (%d+) (%d+)$')
    if rest and tonumber(start) <= made then
      rest, back = tonumber(rest), tonumber(back)
      local moved = math.min(math.max(back - before, 0), math.max(read - first - made, 0))
      local ahead = math.min(math.max(read - moved - now, 0), first)
      if back + ahead > MOST_BACK then
        ahead = 0
      end
      rest, back = rest - ahead, back + ahead
      if rest > now then
        local queue = whole(rest) .. ' ' .. start .. ' ' .. whole(back)
        redis.call('SET', key, queue, 'PX', life(rest - now))
      else
        redis.call('DEL', key)
      end
    end
  elseif kind == 'b' then
    local text = redis.call('GET', key)
    local number, last = string.match(text or '', '^(%d+) (%d+)$')
    if number and tonumber(last) == first then
      if tonumber(number) > 1 then
        redis.call('SET', key, whole(tonumber(number) - 1) .. ' ' .. last, 'KEEPTTL')
      else
        redis.call('DEL', key)
      end
    end
  elseif kind == 'c' then
    redis.call('SET', key, '1 ' .. whole(now + first), 'PX', life(first))
  end
end
return #KEYS
