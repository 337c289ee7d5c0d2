-- Drop the letters that are too old, and beyond a bound the oldest of the largest group, so that a storm of one failure
-- costs no other group a letter. Returns the id and the group of each, and whether it gave way to a bound.
-- ARGV: newest (which stays), most, most_bytes, the time before which letters are too old, most_dropped, now.
local newest, most, most_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function first_of_largest(sizes, oldest)
    local largest = redis.call('ZREVRANGE', sizes, 0, 0)[1]
    if not largest then return nil end
    if redis.call('ZSCORE', KEYS[6], largest) == '1' and sizes == KEYS[6] then return oldest end
    return redis.call('ZRANGE', KEYS[11] .. largest, 0, 0)[1]
end

local function next_one()
    local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
    if not first[1] then return nil end
    if tonumber(first[2]) < tonumber(ARGV[4]) then return first[1], false end
    if redis.call('ZCARD', KEYS[2]) > most then return first_of_largest(KEYS[6], first[1]), true end
    if bytes_of_all() > most_bytes then return first_of_largest(KEYS[7], first[1]), true end
    return nil
end

local dropped = {}
while #dropped < 3 * tonumber(ARGV[5]) do
    local id, gave_way = next_one()
    if not id or id == newest then break end
    local group = drop(id)
    if gave_way then
        local count = redis.pcall('HINCRBY', KEYS[9], group, 1)
        if is_error(count) and not is_broken(count) then redis.call('HSET', KEYS[9], group, 1) end
        redis.call('ZADD', KEYS[10], ARGV[6], group)
    end
    for _, value in ipairs({id, group, gave_way and '1' or ''}) do table.insert(dropped, value) end
end
for _, group in ipairs(redis.call('ZRANGEBYSCORE', KEYS[10], '-inf', '(' .. ARGV[4])) do
    redis.call('HDEL', KEYS[9], group)
    redis.call('ZREM', KEYS[10], group)
end
return dropped
