-- How many workers are there, and how many messages are in flight, by the names of queues that end their delivery tags.
-- KEYS: the workers, the index of in-flight messages. ARGV: the visibility timeout, how many
-- messages are looked at, then the queues' names as tags have them.
-- Returns the workers; messages that nobody renewed for the timeout, and ten seconds; those that wait for a countdown;
-- those of no such queue, or that were not looked at; then the number of each queue.
local time = redis.call('TIME')
local now, most = time[1] + time[2] / 1000000, tonumber(ARGV[2])
local workers = redis.call('ZCOUNT', KEYS[1], now, '+inf')
local abandoned = redis.call('ZCOUNT', KEYS[2], '-inf', now - ARGV[1] - 10)
-- What is stamped in the future waits for a countdown; the ten seconds are for another server's clock.
local due = redis.call('ZCOUNT', KEYS[2], '-inf', now + 10)
local tags = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now + 10, 'LIMIT', 0, most)
local scheduled, unknown, by_queue = redis.call('ZCARD', KEYS[2]) - due, due - #tags, {}
for at = 3, #ARGV do by_queue[ARGV[at]] = 0 end
for _, tag in ipairs(tags) do
    local queue = string.sub(tag, 38)  -- behind a UUID and a colon
    if string.sub(tag, 1, 7) == 'parked:' then
        scheduled = scheduled + 1
    elseif by_queue[queue] then
        by_queue[queue] = by_queue[queue] + 1
    else
        unknown = unknown + 1
    end
end
local found = {workers, abandoned, scheduled, unknown}
for at = 3, #ARGV do found[at + 2] = by_queue[ARGV[at]] end
return found
