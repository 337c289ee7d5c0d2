-- Note that a worker is there, forget those that have not said so for some seconds, and return how many are there.
-- KEYS: the workers. ARGV: the worker's name, the seconds.
local now = redis.call('TIME')
local at = now[1] + now[2] / 1000000
redis.call('ZADD', KEYS[1], at, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at - ARGV[2])
redis.call('EXPIRE', KEYS[1], 3600)
return redis.call('ZCARD', KEYS[1])
