-- Count a batch if it is pending; one that was counted is never counted again. Returns 1, once, if the walk waited for
-- room that there is now: whoever asked must resume it.
-- ARGV: the batch's id, the most batches that may be pending, the most reasons to keep, the numbers of failed and
-- skipped sessions, the number of archived ones, then session and reason of each failed and each skipped one, then the
-- archived ones.
local state, batches, over, failed, skipped, stored, marked = unpack(KEYS)
local most_reasons, failures, skips = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
-- One that is no number counts from zero again: else the batch could never be counted, and its sweep never ended.
local function add(count, number)
    local found = redis.pcall('HINCRBY', state, count, number)
    if type(found) == 'table' then redis.call('HSET', state, count, number) end
end
local function note(reasons, first, number)
    for at = first, first + 2 * number - 1, 2 do
        if redis.call('HLEN', reasons) < most_reasons then redis.call('HSET', reasons, ARGV[at], ARGV[at + 1]) end
    end
end
if redis.call('HDEL', batches, ARGV[1]) == 1 then
    local first_archived = 7 + 2 * failures + 2 * skips
    add('archived', ARGV[6])
    add('failed', failures)
    add('skipped', skips)
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
