-- What the scripts that change letters share; each of them follows this text.
-- KEYS: letters, by_time, first_seen, bytes, group_of, groups_by_count, groups_by_bytes, group_queues, gave_way,
-- gave_way_at, and how the key of each group begins.
-- What all letters have together is added up again from the groups where it is no number; a key of another type stays.
-- The first write of a script only deletes: a full Redis refuses a whole script, or nothing of it.

local function is_error(reply) return type(reply) == 'table' and reply.err ~= nil end
local function is_broken(reply) return is_error(reply) and string.find(reply.err, 'WRONGTYPE', 1, true) end

local function bytes_of_groups()
    local sum, sizes = 0, redis.call('ZRANGE', KEYS[7], 0, -1, 'WITHSCORES')
    for at = 2, #sizes, 2 do
        local size = tonumber(sizes[at])
        if size < 2 ^ 53 then sum = sum + size end  -- else it is nobody's count
    end
    return sum
end

local function bytes_of_all()
    local found = redis.pcall('GET', KEYS[4])
    if not found then return 0 end
    return not is_error(found) and string.match(found, '^%-?%d+$') and tonumber(found) or bytes_of_groups()
end

-- The groups must have the change already.
local function add_bytes(change)
    local sum = redis.pcall('INCRBY', KEYS[4], change)
    if is_error(sum) then
        if is_broken(sum) then return end
        sum = bytes_of_groups()
        redis.call('SET', KEYS[4], string.format('%.0f', sum))
    end
    if sum <= 0 then redis.call('DEL', KEYS[4]) end
end

local function leave_group(id, bytes)
    local group = redis.call('HGET', KEYS[5], id)
    if not group then return '' end
    redis.call('HDEL', KEYS[5], id)
    redis.call('ZREM', KEYS[11] .. group, id)
    local left = redis.call('ZCARD', KEYS[11] .. group)
    if left == 0 then
        redis.call('ZREM', KEYS[6], group)
        redis.call('ZREM', KEYS[7], group)
        redis.call('HDEL', KEYS[8], group)
    else
        redis.call('ZADD', KEYS[6], left, group)
        redis.call('ZINCRBY', KEYS[7], -bytes, group)
    end
    return group
end

local function join_group(id, bytes, time, group, queue)
    redis.call('HSET', KEYS[5], id, group)
    redis.call('ZADD', KEYS[11] .. group, time, id)
    redis.call('ZADD', KEYS[6], redis.call('ZCARD', KEYS[11] .. group), group)
    redis.call('ZINCRBY', KEYS[7], bytes, group)
    redis.call('HSET', KEYS[8], group, queue)
end

local function drop(id)
    local bytes = redis.call('HSTRLEN', KEYS[1], id)
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
    local group = leave_group(id, bytes)
    add_bytes(-bytes)
    return group
end

