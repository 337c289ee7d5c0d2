-- The ids of a sorted set and their times, newest first, as one text: a reply of 100,000 parts takes a second to read.
-- KEYS: by_time, or a group. ARGV: how many at most, -1 for all.
local last = tonumber(ARGV[1])
return table.concat(redis.call('ZREVRANGE', KEYS[1], 0, last < 0 and -1 or last - 1, 'WITHSCORES'), '\0')
