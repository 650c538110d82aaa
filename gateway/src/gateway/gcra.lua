-- The generic cell rate algorithm (ITU-T I.371) on Redis's own clock, one call per decision.
--
-- KEYS[1]  the bucket: its theoretical arrival time (TAT) in microseconds since the epoch
-- KEYS[2]  where penalties count, the record of the address, of which penalty.lua tells
-- ARGV[1]  microseconds that one request is worth
-- ARGV[2]  requests that a full bucket holds
-- ARGV[3]  1 to take one request, -1 to give one back, 0 to look
--
-- Returns {allowed (1 or 0), requests left, microseconds until one is admitted again (0 when allowed),
--          microseconds until one more is left, Redis's time in microseconds,
--          with KEYS[2] also microseconds until the address is admitted again (0 without a penalty)}
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local new = math.max(tat + cost * interval, now)
local wait = new - burst * interval - now

local function answer(allowed, left, retry, more, next)
    local found = {allowed, left, retry, more, now}
    if KEYS[2] then
        local penalty = tonumber(redis.call('HGET', KEYS[2], 'until') or 0) - now
        found[6] = penalty > 0 and math.max(penalty, next) or 0
    end
    return found
end

if cost > 0 and wait > 0 then
    return answer(0, 0, wait, wait, wait)
end
if new ~= tat then
    if new > now then
        redis.call('SET', KEYS[1], string.format('%.0f', new), 'PX', math.ceil((new - now) / 1000))
    else
        redis.call('DEL', KEYS[1])
    end
end
local used = new - now
local left = math.floor((burst * interval - used) / interval)
local more = 0
if used > 0 then
    more = (used - 1) % interval + 1
end
return answer(1, left, 0, more, wait + interval)
