-- Keep a letter in the place of an older one with the same id, and count it to its group.
-- ARGV: id, the letter, when the task failed, when it failed first, group, queue, and 1 if a letter of a later failure
-- stays.
local id, letter, time = ARGV[1], ARGV[2], ARGV[3]
if ARGV[7] == '1' and tonumber(redis.call('ZSCORE', KEYS[2], id) or 0) > tonumber(time) then return end
local before = redis.call('HSTRLEN', KEYS[1], id)
redis.call('HSET', KEYS[1], id, letter)
redis.call('ZADD', KEYS[2], time, id)
redis.call('ZADD', KEYS[3], 'NX', ARGV[4], id)
leave_group(id, before)
join_group(id, #letter, time, ARGV[5], ARGV[6])
add_bytes(#letter - before)
