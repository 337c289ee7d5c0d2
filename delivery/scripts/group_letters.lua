-- Count letters to their groups that an older release has written; forget the group of those that it has removed.
-- ARGV: id, group, queue of each.
for at = 1, #ARGV, 3 do
    local id = ARGV[at]
    local time = redis.call('ZSCORE', KEYS[2], id)
    if not time then
        leave_group(id, 0)
    elseif redis.call('HEXISTS', KEYS[5], id) == 0 then
        join_group(id, redis.call('HSTRLEN', KEYS[1], id), time, ARGV[at + 1], ARGV[at + 2])
    end
end
