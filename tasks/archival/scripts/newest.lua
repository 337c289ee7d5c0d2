-- The newest sweep: its fields and values, how many of its batches are pending, and how many sessions these have.
-- KEYS: the index of sweeps. ARGV: how the key of each sweep begins, and how that of its pending batches ends.
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0)[1]
if not newest then return {} end
local state = redis.call('HGETALL', ARGV[1] .. newest)
local batches, sessions = redis.call('HVALS', ARGV[1] .. newest .. ARGV[2]), 0
for _, ids in ipairs(batches) do sessions = sessions + #cjson.decode(ids) end
return {newest, state, #batches, sessions}
