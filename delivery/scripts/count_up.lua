-- Count one more, from zero if there is no number. KEYS: the counter. ARGV: for how many seconds it is kept.
local count = redis.pcall('INCR', KEYS[1])
if type(count) == 'table' then
    count = 1
    redis.call('SET', KEYS[1], count)
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return count
