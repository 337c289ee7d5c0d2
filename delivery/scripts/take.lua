-- Take the next message of the first queue that has one and may be taken from, and note it as in-flight.
-- A queue whose list or permits hold data of another kind is passed over, and the key's name returned after -1.
-- If more messages wait behind one that an idle worker takes, wake the other workers, at most four times a second.
-- KEYS: index, unacked, the queues' lists, the permits of each, and what tells that somebody was woken just now.
-- ARGV: delivery tag, the end of each queue's note, and the channel of the waking, empty for a worker that was not idle.
-- The tag is noted with the queue's name behind it, as the note has that, so that whoever counts reads no message.
local function is_error(reply) return type(reply) == 'table' and reply.err ~= nil end
local function is_broken(reply) return is_error(reply) and string.find(reply.err, 'WRONGTYPE', 1, true) end
local last = 2 + (#KEYS - 3) / 2
local channel = ARGV[#ARGV]
local broken = false
for i = 3, last do
    local permits = KEYS[last + i - 2]
    local left, item = redis.pcall('GET', permits), false
    if is_broken(left) or (left and not is_error(left) and not string.match(left, '^%-?%d+$')) then
        broken = permits
    elseif is_error(left) then
        return left
    elseif not left or tonumber(left) > 0 then
        item = redis.pcall('RPOP', KEYS[i])
        if is_broken(item) then
            item, broken = false, KEYS[i]
        elseif is_error(item) then
            return item
        end
    end
    if item then
        local now, tag = redis.call('TIME'), ARGV[1] .. ':' .. string.sub(ARGV[i - 1], 6, -3)
        local stamped = redis.pcall('ZADD', KEYS[1], now[1] + now[2] / 1000000, tag)
        local noted = is_error(stamped) or redis.pcall('HSET', KEYS[2], tag, '[' .. item .. ARGV[i - 1])
        if is_error(stamped) or is_error(noted) then
            redis.pcall('ZREM', KEYS[1], tag)
            redis.call('RPUSH', KEYS[i], item)
            local failed = is_error(stamped) and stamped or noted
            return is_broken(failed) and {-1, is_error(stamped) and KEYS[1] or KEYS[2]} or failed
        end
        if left then redis.pcall('DECR', permits) end  -- more than Redis counts to stays as it is
        local more = not left or tonumber(left) > 1
        if channel ~= '' and more and redis.call('EXISTS', KEYS[i]) == 1 then
            local is_first = redis.pcall('SET', KEYS[#KEYS], '', 'NX', 'PX', 250)
            if is_first and not is_error(is_first) then redis.pcall('PUBLISH', channel, '') end
        end
        return {i - 3, item, left and 1 or 0}
    end
end
return broken and {-1, broken}
