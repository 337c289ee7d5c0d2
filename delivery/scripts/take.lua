-- Take the next message of the first queue that has one and may be taken from, and note it as in-flight.
-- KEYS: index, unacked, the queues' lists, then the permits of each.
-- ARGV: delivery tag, then the end of each queue's note.
local last = 2 + (#KEYS - 2) / 2
for i = 3, last do
    local permits = KEYS[last + i - 2]
    local left = redis.call('GET', permits)
    local item = not (left and tonumber(left) <= 0) and redis.call('RPOP', KEYS[i])
    if item then
        if left then redis.call('DECR', permits) end
        local now = redis.call('TIME')
        redis.call('ZADD', KEYS[1], now[1] + now[2] / 1000000, ARGV[1])
        redis.call('HSET', KEYS[2], ARGV[1], '[' .. item .. ARGV[i - 1])
        return {i - 3, item, left and 1 or 0}
    end
end
return false
