-- Put a message back on its queues, unless it was ended or taken back meanwhile.
-- KEYS: index, unacked, queues. ARGV: delivery tag, the message, LPUSH or RPUSH.
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
for i = 3, #KEYS do redis.call(ARGV[3], KEYS[i], ARGV[2]) end
return 1
