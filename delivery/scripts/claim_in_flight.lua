-- Take in-flight messages apart for a move that nobody has: parked ones, and those that nobody renewed for the visibility
-- timeout. An earlier slice that is still there comes first. Returns the list: the name of the slice, then the delivery
-- tag, the time and the note of each message.
-- The first write only deletes, so a full Redis does this, too.
-- KEYS: index, unacked, the slice. ARGV: a name for the slice, the timeout in seconds, how many bytes at most, how the
-- tag of a parked message begins, then delivery tags.
if redis.call('EXISTS', KEYS[3]) == 0 then
    local now, left = redis.call('TIME'), tonumber(ARGV[3])
    local lapsed = now[1] + now[2] / 1000000 - ARGV[2]
    redis.call('DEL', KEYS[3])
    for at = 5, #ARGV do
        local tag, noted = ARGV[at], redis.call('HGET', KEYS[2], ARGV[at])
        local time = redis.call('ZSCORE', KEYS[1], tag)
        local is_free = time and (tonumber(time) <= lapsed or string.sub(tag, 1, #ARGV[4]) == ARGV[4])
        if is_free then
            left = left - #(noted or '')
            if left < 0 and redis.call('EXISTS', KEYS[3]) == 1 then break end
            redis.call('ZREM', KEYS[1], tag)
            redis.call('HDEL', KEYS[2], tag)
            if noted then
                if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('RPUSH', KEYS[3], ARGV[1]) end
                redis.call('RPUSH', KEYS[3], tag, time, noted)
            end
        end
    end
end
return redis.call('LRANGE', KEYS[3], 0, -1)
