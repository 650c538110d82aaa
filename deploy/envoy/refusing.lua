-- What the gateway refuses, for want of time, costs it time. With such an answer it says how many of those who come it
-- wants to see: for each of now, so many. Envoy lets that share pass, and refuses the others by itself.
local TOLD = "x-admit-ratio"
local NEWS_MS = 250 -- the share is set at most so often: the gateway's word is of the last 0.2 s
local SILENCE_MS, DOUBLES_MS = 500, 250 -- without news for so long, it doubles in such a time
local LEAST = 0.02 -- somebody must pass, or there are no news
-- What the gateway does not refuse either before it has looked at it: pages of other origins, which need headers of
-- their own, requests with a body, and what is more than a request and its answer.
local LOOKED_AT = { "origin", "content-length", "transfer-encoding", "expect", "upgrade" }

local UNSEEN = { ["/health"] = true, ["/ready"] = true, ["/metrics"] = true } -- asked by machines

local share, since = 1, 0 -- of the requests, and the millisecond that it is from

local function passing(now)
  return math.min(1, share * 2 ^ (math.max(0, now - since - SILENCE_MS) / DOUBLES_MS))
end

function envoy_on_request(handle)
  if share == 1 then
    return
  end
  local passes = passing(handle:timestamp())
  if passes == 1 then
    share = 1
    return
  end
  local headers = handle:headers()
  local method = headers:get(":method")
  if method == "HEAD" or method == "OPTIONS" or UNSEEN[headers:get(":path")] or math.random() < passes then
    return
  end
  for _, name in ipairs(LOOKED_AT) do
    if headers:get(name) then
      return
    end
  end
  handle:respond({ [":status"] = "503", ["retry-after"] = tostring(math.random(3)) }, "")
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local told = headers:get(TOLD)
  if not told then
    return
  end
  headers:remove(TOLD)
  local now = handle:timestamp()
  if now - since >= NEWS_MS then
    -- Half of the way, in powers: who goes all of it on old news goes too far.
    share = math.max(LEAST, math.min(1, passing(now) * math.sqrt(tonumber(told) or 1)))
    since = now
  end
end
