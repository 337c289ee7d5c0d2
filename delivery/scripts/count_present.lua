-- How many are there. KEYS: until when each counts, as present.lua notes it.
return redis.call('ZCOUNT', KEYS[1], redis.call('TIME')[1], '+inf')
