-- Let an in-flight message wait: nobody renews it, and it is put back on its queue as abandoned when its time is near.
-- KEYS: index. ARGV: delivery tag, the visibility timeout, how long it waits, both in seconds.
local now = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'XX', 'CH', now[1] + now[2] / 1000000 - ARGV[2] + ARGV[3], ARGV[1])
