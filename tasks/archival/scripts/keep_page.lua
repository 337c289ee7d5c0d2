-- Keep a page of a sweep's walk. Returns 1 if it was kept, 0 if the walk has ended or this page, or a later one, was
-- kept before. The page's batches become pending and its sessions taken. Sessions whose batch finished before the page
-- was listed are forgotten: the Registry lists them as archived from now on.
-- ARGV: the page's pass, its index, its text, the rows that the walk so far could not use, the number of its batches, each
-- batch's id and session ids, each session.
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
redis.call('HSET', state, 'rows', ARGV[4])
for _, session in ipairs(redis.call('SMEMBERS', over)) do redis.call('SREM', taken, session) end
redis.call('DEL', over)
local first_session = 6 + 2 * tonumber(ARGV[5])
for at = 6, first_session - 1, 2 do redis.call('HSET', batches, ARGV[at], ARGV[at + 1]) end
for at = first_session, #ARGV do redis.call('SADD', taken, ARGV[at]) end
return 1
