-- Add up again how many bytes all letters have, by their groups.
if is_broken(redis.pcall('GET', KEYS[4])) then return end
local sum = bytes_of_groups()
redis.call('DEL', KEYS[4])
if sum > 0 then redis.call('SET', KEYS[4], string.format('%.0f', sum)) end
