-- Renew the lease of messages; those that were acknowledged or taken back stay so.
-- KEYS: index. ARGV: delivery tags.
local now = redis.call('TIME')
for _, tag in ipairs(ARGV) do redis.call('ZADD', KEYS[1], 'XX', now[1] + now[2] / 1000000, tag) end
