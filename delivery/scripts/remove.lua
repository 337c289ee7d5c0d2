-- Forget a letter and its losses. One that was written again since it was read tells of a later failure, and stays.
-- KEYS: letters, by_time, first_seen, bytes, losses. ARGV: id, the time of the failure, if only that one is meant.
local stamp = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not stamp or (ARGV[2] ~= '' and tonumber(stamp) ~= tonumber(ARGV[2])) then return 0 end
if redis.call('DECRBY', KEYS[4], redis.call('HSTRLEN', KEYS[1], ARGV[1])) <= 0 then redis.call('DEL', KEYS[4]) end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[5])
return 1
