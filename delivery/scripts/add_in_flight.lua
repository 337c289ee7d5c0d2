-- Note a slice of moved messages as in-flight, unless the slice has come already.
-- KEYS: the slices that have come, index, unacked. ARGV: the name of the slice, for how many seconds that is known, then
-- the delivery tag, the time and the note of each message.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
for at = 3, #ARGV, 3 do
    redis.call('ZADD', KEYS[2], ARGV[at + 1], ARGV[at])
    redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 2])
end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now[1] - ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
