-- Delete a slice of messages that has come to its new place; whoever moves beside this one may have begun the next.
-- KEYS: the slice. ARGV: its name.
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
