-- Add up again how many letters and bytes a group has. ARGV: group.
local ids, bytes = redis.call('ZRANGE', KEYS[11] .. ARGV[1], 0, -1), 0
if #ids == 0 then
    redis.call('ZREM', KEYS[6], ARGV[1])
    redis.call('ZREM', KEYS[7], ARGV[1])
    redis.call('HDEL', KEYS[8], ARGV[1])
    return
end
for _, id in ipairs(ids) do bytes = bytes + redis.call('HSTRLEN', KEYS[1], id) end
redis.call('ZADD', KEYS[6], #ids, ARGV[1])
redis.call('ZADD', KEYS[7], bytes, ARGV[1])
