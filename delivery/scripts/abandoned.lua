-- The messages that nobody has renewed for the visibility timeout.
-- KEYS: index. ARGV: the timeout in seconds, how many at most.
local now = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now[1] + now[2] / 1000000 - ARGV[1], 'LIMIT', 0, ARGV[2])
