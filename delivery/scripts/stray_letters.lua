-- Of the letters in some places those that their group does not know, or not since they were written last, and their
-- times: older releases know no groups.
-- KEYS: by_time, group_of, and how the key of each group begins. ARGV: the first place, the last.
local letters, ids = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES'), {}
if #letters == 0 then return {} end
for at = 1, #letters, 2 do ids[#ids + 1] = letters[at] end
local strays, members = {}, {}
for at, group in ipairs(redis.call('HMGET', KEYS[2], unpack(ids))) do
    if not group or group == '' then
        strays[#strays + 1] = ids[at]
        strays[#strays + 1] = letters[2 * at]
    else
        members[group] = members[group] or {{}, {}}
        table.insert(members[group][1], ids[at])
        table.insert(members[group][2], letters[2 * at])
    end
end
for group, found in pairs(members) do
    for at, time in ipairs(redis.call('ZMSCORE', KEYS[3] .. group, unpack(found[1]))) do
        if time ~= found[2][at] and not (time and tonumber(time) == tonumber(found[2][at])) then
            strays[#strays + 1] = found[1][at]
            strays[#strays + 1] = found[2][at]
        end
    end
end
return strays
