"""What changes in a sweep's state in one step, whoever else works on it: scripts that Redis runs as a whole."""

# A page is kept if its sweep still walks and no later page, nor this one, was kept. Its batches are then pending and
# its sessions taken; those archived before it was listed are forgotten, since the Registry calls them `archived`.
KEEP_PAGE = """
local state, page, batches, taken, over = unpack(KEYS)
if redis.call('HGET', state, 'status') ~= 'running' or redis.call('HEXISTS', state, 'walked') == 1 then return 0 end
local pass, index = tonumber(ARGV[1]), tonumber(ARGV[2])
local last = redis.call('HGET', state, 'last_page')
if last then
    local last_pass, last_index = string.match(last, '(%d+):(%d+)')
    last_pass, last_index = tonumber(last_pass), tonumber(last_index)
    if last_pass > pass or (last_pass == pass and last_index >= index) then return 0 end
end
redis.call('HSET', state, 'last_page', ARGV[1] .. ':' .. ARGV[2])
redis.call('HDEL', state, 'resumes', 'waits')
redis.call('SET', page, ARGV[3])
for _, session in ipairs(redis.call('SMEMBERS', over)) do redis.call('SREM', taken, session) end
redis.call('DEL', over)
local first_session = 5 + 2 * tonumber(ARGV[4])
for at = 5, first_session - 1, 2 do redis.call('HSET', batches, ARGV[at], ARGV[at + 1]) end
for at = first_session, #ARGV do redis.call('SADD', taken, ARGV[at]) end
return 1
"""

# The walk waits where as many batches are pending as may be; the end of one of them then calls it.
WAIT_FOR_ROOM = """
if redis.call('HLEN', KEYS[2]) < tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'waits', 'for room')
return 1
"""

# A batch counts while it is pending, and never again. Answers whether the walk waits and must be called, once.
FINISH_BATCH = """
local state, batches, over, failed, skipped, stored, marked = unpack(KEYS)
local most_reasons, failures, skips = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function note(reasons, first, number)
    for at = first, first + 2 * number - 1, 2 do
        if redis.call('HLEN', reasons) < most_reasons then redis.call('HSET', reasons, ARGV[at], ARGV[at + 1]) end
    end
end
if redis.call('HDEL', batches, ARGV[1]) == 1 then
    local first_archived = 7 + 2 * failures + 2 * skips
    redis.call('HINCRBY', state, 'archived', ARGV[6])
    redis.call('HINCRBY', state, 'failed', failures)
    redis.call('HINCRBY', state, 'skipped', skips)
    note(failed, 7, failures)
    note(skipped, 7 + 2 * failures, skips)
    for at = first_archived, #ARGV do redis.call('SADD', over, ARGV[at]) end
    redis.call('DEL', stored, marked)
    redis.call('HDEL', state, 'resumes')
end
local room = redis.call('HLEN', batches) < tonumber(ARGV[2])
if room and redis.call('HGET', state, 'waits') == 'for room' then
    redis.call('HSET', state, 'waits', 'called')
    return 1
end
return 0
"""
