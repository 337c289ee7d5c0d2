-- Whether a message that was taken may start now.
-- KEYS: permits. ARGV: 1 if it took a permit when it was taken.
local left = redis.call('GET', KEYS[1])
if not left then return 1 end
if tonumber(left) < 0 then return 0 end
if ARGV[1] == '1' then return 1 end
if tonumber(left) == 0 then return 0 end
redis.call('DECR', KEYS[1])
return 1
