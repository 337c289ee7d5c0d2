-- Count calls of a service in the present second, and lengthen or end its row of failures.
-- KEYS: the breaker's record, and its calls by second.
-- ARGV: how many calls succeeded, 1 if one failed now, the digest of its request (its repeats count once) or nothing,
-- how many characters of digests are kept, and how many seconds of calls.
-- Returns: the failures in a row, the present second, and of each of the latest "second succeeded failed", which nobody
-- needs after a success.
local succeeded, failed, request = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local now = tonumber(redis.call('TIME')[1])
local slot = now % ARGV[5]
local kept = redis.pcall('HGET', KEYS[2], slot)
if type(kept) == 'table' then -- data of another kind
    redis.call('DEL', KEYS[2])
    kept = false
end
if succeeded + failed > 0 then
    local second, before, failures = string.match(kept or '', '^(%d+) (%d+) (%d+)$')
    local is_new = tonumber(second) ~= now
    if is_new then before, failures = 0, 0 end
    redis.call('HSET', KEYS[2], slot, string.format('%d %d %d', now, before + succeeded, failures + failed))
    if is_new then redis.call('EXPIRE', KEYS[2], ARGV[5]) end
end
local row = tonumber(redis.call('HGET', KEYS[1], 'failures') or '0') or 0
if failed == 1 then
    local counted = redis.call('HGET', KEYS[1], 'requests') or ''
    if request == '' or not string.find(counted, request, 1, true) then
        row = redis.call('HINCRBY', KEYS[1], 'failures', 1)
        if request ~= '' then
            redis.call('HSET', KEYS[1], 'requests', string.sub(request .. ' ' .. counted, 1, tonumber(ARGV[4])))
        end
    end
elseif succeeded > 0 and row > 0 then
    redis.call('HSET', KEYS[1], 'failures', '0', 'requests', '')
    row = 0
end
return {row, now, failed == 0 and succeeded > 0 and {} or redis.call('HVALS', KEYS[2])}
