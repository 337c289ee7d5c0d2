-- Drop the oldest letters beyond the bounds, and return their ids.
-- KEYS: letters, by_time, first_seen, bytes. ARGV: newest, most, most_bytes, oldest, most_dropped.
local newest, most, most_bytes, oldest, most_dropped = unpack(ARGV)
local dropped = {}
while #dropped < tonumber(most_dropped) do
    local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
    if not first[1] or first[1] == newest then break end
    local bytes = tonumber(redis.call('GET', KEYS[4]) or 0)
    local over = redis.call('ZCARD', KEYS[2]) > tonumber(most) or bytes > tonumber(most_bytes)
    if not over and tonumber(first[2]) >= tonumber(oldest) then break end
    redis.call('DECRBY', KEYS[4], redis.call('HSTRLEN', KEYS[1], first[1]))
    redis.call('HDEL', KEYS[1], first[1])
    redis.call('ZREM', KEYS[2], first[1])
    redis.call('ZREM', KEYS[3], first[1])
    table.insert(dropped, first[1])
end
return dropped
