-- Count a letter to its group that an older release has written; forget the group of one that it has removed.
-- ARGV: id, group, queue.
local id = ARGV[1]
local time = redis.call('ZSCORE', KEYS[2], id)
if not time then
    leave_group(id, 0)
elseif redis.call('HEXISTS', KEYS[5], id) == 0 then
    join_group(id, redis.call('HSTRLEN', KEYS[1], id), time, ARGV[2], ARGV[3])
end
