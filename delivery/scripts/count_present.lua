-- How many said within some seconds that they are there. KEYS: who is there, as present.lua notes it. ARGV: the seconds.
local now = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], now[1] + now[2] / 1000000 - ARGV[1], '+inf')
