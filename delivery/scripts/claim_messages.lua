-- Take the next messages of a queue apart for a move, in a list behind the name of this slice; an earlier slice that is
-- still there comes first. Returns the list.
-- The first write only deletes, so a full Redis does this, too.
-- KEYS: the queue's list, the slice. ARGV: a name for the slice, how many messages and how many bytes at most.
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('EXISTS', KEYS[1]) == 1 then
    local left = tonumber(ARGV[3])
    redis.call('DEL', KEYS[2])
    for count = 1, tonumber(ARGV[2]) do
        local item = redis.call('LINDEX', KEYS[1], -1)
        if not item then break end
        left = left - #item
        if left < 0 and count > 1 then break end
        if count == 1 then redis.call('RPUSH', KEYS[2], ARGV[1]) end
        redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'RIGHT')
    end
end
return redis.call('LRANGE', KEYS[2], 0, -1)
