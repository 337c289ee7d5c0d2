-- Fields of a hash: as many of them, in this order, as have so many bytes together, or one.
-- KEYS: the hash (of in-flight messages, of letters). ARGV: how many bytes at most, then the fields' names.
local found, left = {}, tonumber(ARGV[1])
for at = 2, #ARGV do
    left = left - redis.call('HSTRLEN', KEYS[1], ARGV[at])
    if left < 0 and at > 2 then break end
    found[at - 1] = redis.call('HGET', KEYS[1], ARGV[at])
end
return found
