-- The points of one address for threats, and the penalty that follows from them, on Redis's own clock.
--
-- KEYS[1]  the address's record, a hash: points, at (when they were as many), offences, until (end of its last penalty)
-- KEYS[2]  the records of all addresses whose penalty runs, sorted by its end
-- ARGV[1]  points of this threat
-- ARGV[2]  points at which a penalty begins
-- ARGV[3]  microseconds in which so many points go away
-- ARGV[4]  microseconds of a first penalty; each further one is twice as long
-- ARGV[5]  microseconds of the longest
-- ARGV[6]  microseconds after its end in which a penalty is remembered
--
-- Returns {microseconds of penalty left, penalties so far, 1 if one begins now, Redis's time in microseconds}
--
-- A penalty that runs is never made longer, so that whoever was told its end is admitted then.
local points, threshold, decay = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first, longest, memory = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local record = redis.call('HMGET', KEYS[1], 'points', 'at', 'offences', 'until')
local ends = tonumber(record[4] or 0)
local offences = ends + memory > now and tonumber(record[3] or 0) or 0
local gone = (now - tonumber(record[2] or now)) * threshold / decay
local level = math.min(threshold, math.max(0, tonumber(record[1] or 0) - gone) + points)

local begins = 0
if ends <= now and level >= threshold then
    begins, level, offences = 1, 0, offences + 1
    ends = now + math.min(longest, first * 2 ^ math.min(offences - 1, 30))
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
    redis.call('ZADD', KEYS[2], string.format('%.0f', ends), KEYS[1])
    redis.call('PEXPIRE', KEYS[2], math.ceil(longest / 1000))
end
redis.call('HSET', KEYS[1], 'points', tostring(level), 'at', string.format('%.0f', now),
    'offences', offences, 'until', string.format('%.0f', ends))
local kept = math.max(level * decay / threshold, offences > 0 and ends + memory - now or 0)
redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil(kept / 1000)))
return {math.max(0, ends - now), offences, begins, now}
