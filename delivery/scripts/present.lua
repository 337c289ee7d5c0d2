-- Note until when a worker counts as there, and return how many are there in each of the sets.
-- KEYS: the fleet, and those of it that consume the same queues.
-- ARGV: the worker's name, for how many seconds it counts, and 1 to forget those that are no longer there.
local now = redis.call('TIME')
local at = now[1] + now[2] / 1000000
local counts = {}
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, at + ARGV[2], ARGV[1])
    if ARGV[3] == '1' then
        redis.call('ZREMRANGEBYSCORE', key, '-inf', at)
        redis.call('EXPIRE', key, 3600)
    end
    counts[i] = redis.call('ZCOUNT', key, at, '+inf')
end
return counts
