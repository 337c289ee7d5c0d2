-- Let the walk wait if as many batches are pending as may be. Returns 1 if it waits: finish_batch then resumes it.
-- ARGV: the most batches that may be pending.
local state, batches = unpack(KEYS)
if redis.call('HLEN', batches) < tonumber(ARGV[1]) then return 0 end
redis.call('HSET', state, 'waits', 'for room')
return 1
