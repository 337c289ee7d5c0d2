-- What is noted of in-flight messages: of as many of them, in this order, as have so many bytes together, or of one.
-- KEYS: unacked. ARGV: how many bytes at most, then delivery tags.
local found, left = {}, tonumber(ARGV[1])
for at = 2, #ARGV do
    left = left - redis.call('HSTRLEN', KEYS[1], ARGV[at])
    if left < 0 and at > 2 then break end
    found[at - 1] = redis.call('HGET', KEYS[1], ARGV[at])
end
return found
