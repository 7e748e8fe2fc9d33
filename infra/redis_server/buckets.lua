-- Leaky buckets: each holds when (ms) it is empty again, and lives no longer than until then.
-- KEYS: the buckets. ARGV: now (ms; 0: by this clock), then for each bucket how much it holds (below 0: that much, and
-- what is too much runs over and is not refused), the ms in which it loses one, and how many to add; to take them back,
-- fewer than none.
-- Answers how many ms to wait until all of them have room, and nothing was added; or 0, then what is in each, in ms.
local now, longer = tonumber(ARGV[1]), 3600000 -- by another clock than this one, which may be slower
if now == 0 then
  local time = redis.call('TIME')
  now, longer = time[1] * 1000 + math.floor(time[2] / 1000), 0
end
local answer, wait = {0}, 0
for i, bucket in ipairs(KEYS) do
  local most, interval, more = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local room = math.abs(most) * interval
  local filled = math.max(tonumber(redis.call('GET', bucket) or 0) - now, 0)
  filled = math.min(filled, room) + more * interval -- never too full, though the clock went back
  if most < 0 then filled = math.min(filled, room) end
  if more > 0 then wait = math.max(wait, filled - room) end
  answer[i + 1] = math.max(filled, 0)
end
if wait > 0 then return {wait} end
for i, bucket in ipairs(KEYS) do
  if answer[i + 1] > 0 then
    local empty_at, life = now + answer[i + 1], math.ceil(answer[i + 1]) + longer
    redis.call('SET', bucket, string.format('%.0f', empty_at), 'PX', string.format('%.0f', life))
  else
    redis.call('DEL', bucket)
  end
end
return answer
