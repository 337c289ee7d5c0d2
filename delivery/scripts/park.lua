-- Let an in-flight message wait: nobody renews it, and it is put back on its queue as abandoned when its time is near.
-- It waits under a tag of its own, so a renewal that has begun does not touch it, and its return counts no lost worker.
-- KEYS: index, unacked. ARGV: delivery tag, its tag while it waits, the visibility timeout, how long it waits, both in
-- seconds.
local noted = redis.call('HGET', KEYS[2], ARGV[1])
if not noted then return 0 end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1] + now[2] / 1000000 - ARGV[3] + ARGV[4], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], noted)
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
