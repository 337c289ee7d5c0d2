-- What the scripts that change letters share; each of them follows this text.
-- KEYS: letters, by_time, first_seen, bytes, group_of, groups_by_count, groups_by_bytes, group_queues, gave_way,
-- gave_way_at, and how the key of each group begins.
-- The first write of a script only deletes: a full Redis refuses a whole script, or nothing of it.

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
    if redis.call('DECRBY', KEYS[4], bytes) <= 0 then redis.call('DEL', KEYS[4]) end
    return leave_group(id, bytes)
end

