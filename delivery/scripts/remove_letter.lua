-- Forget a letter and its losses. One that was written again since it was read tells of a later failure, and stays.
-- KEYS, too: losses. ARGV: id, the time of the failure, if only that one is meant.
local stamp = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not stamp or (ARGV[2] ~= '' and tonumber(stamp) ~= tonumber(ARGV[2])) then return 0 end
drop(ARGV[1])
redis.call('DEL', KEYS[12])
return 1
