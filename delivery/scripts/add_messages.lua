-- Put a slice of moved messages on a queue, behind those that wait, unless the slice has come already.
-- KEYS: the slices that have come, the queue's list. ARGV: the name of the slice, for how many seconds that is known, then
-- the messages.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
for at = 3, #ARGV do redis.call('LPUSH', KEYS[2], ARGV[at]) end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now[1] - ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
