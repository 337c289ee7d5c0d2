-- Put an abandoned message back on its queues, unless somebody was faster.
-- KEYS: index, unacked, queues. ARGV: delivery tag, the timeout in seconds, the message.
local now = redis.call('TIME')
local stamp = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not stamp or tonumber(stamp) > now[1] + now[2] / 1000000 - ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
for i = 3, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[3]) end
return 1
