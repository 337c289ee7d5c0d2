-- How many messages wait on queues, what may be taken of each, and since when the next messages of its lists wait.
-- KEYS: of each queue its permits, then its lists. ARGV: the lists of a queue, how many messages of a list are looked at,
-- after how many bytes of them no further one is, and the header that says when a message was sent.
-- Returns of each queue its permits, how many wait, and of each message that was looked at when it was sent and, behind a
-- space, when it is due, as the headers say it, one a line. A queue with a key that holds data of another kind is -1.
local lists, most, most_bytes, sent_at = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), '"' .. ARGV[4] .. '":'
local function is_error(reply) return type(reply) == 'table' and reply.err ~= nil end

local function said(item, name, pattern)
    local _, last = string.find(item, name, 1, true)  -- bodies are base64, or have a backslash before each quote
    return last and string.match(item, pattern, last + 1) or ''
end

local function look(key, times)
    local length, left = redis.pcall('LLEN', key), most_bytes
    if is_error(length) then return nil end
    for at = -1, -math.min(length, most), -1 do
        local item = redis.call('LINDEX', key, at)
        times[#times + 1] = said(item, sent_at, '^%s*([%d.]+)') .. ' ' .. said(item, '"eta":', '^%s*"([%w:+.-]+)"')
        left = left - #item
        if left <= 0 then break end
    end
    return length
end

local function read(first)
    local permits, waiting, times = redis.pcall('GET', KEYS[first]), 0, {}
    if is_error(permits) then return -1 end
    for at = first + 1, first + lists do
        local length = look(KEYS[at], times)
        if not length then return -1 end
        waiting = waiting + length
    end
    return {permits, waiting, table.concat(times, '\n')}
end

local found = {}
for first = 1, #KEYS, lists + 1 do found[#found + 1] = read(first) end
return found
