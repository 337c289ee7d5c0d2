-- Count letters to their groups that an older release has written; forget the group of those that it has removed.
-- One that was written again since it was read stays as it is: the next listing finds it.
-- ARGV: of each its id, its time when it was read (-1 of one that was removed), group and queue.
for at = 1, #ARGV, 4 do
    local id, group = ARGV[at], ARGV[at + 2]
    local time = redis.call('ZSCORE', KEYS[2], id)
    if tonumber(time or -1) == tonumber(ARGV[at + 1]) then
        if not time then
            leave_group(id, 0)
        elseif redis.call('HEXISTS', KEYS[1], id) == 0 then
            drop(id)
        elseif group ~= '' then
            leave_group(id, 0)
            join_group(id, redis.call('HSTRLEN', KEYS[1], id), time, group, ARGV[at + 3])
        end
    end
end
