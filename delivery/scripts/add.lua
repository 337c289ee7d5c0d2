-- Keep a letter in the place of an older one about the same task.
-- KEYS: letters, by_time, first_seen, bytes. ARGV: id, the letter, the time.
local before = redis.call('HSTRLEN', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], 'NX', ARGV[3], ARGV[1])
redis.call('INCRBY', KEYS[4], #ARGV[2] - before)
