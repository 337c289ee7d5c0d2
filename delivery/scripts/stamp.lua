-- Note a message as in-flight, from now.
-- KEYS: index, unacked. ARGV: delivery tag, the message.
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1] + now[2] / 1000000, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
