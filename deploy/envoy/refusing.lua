-- What the gateway refuses, for want of time, costs it time. With such an answer it says what part of those who come it
-- wants to see. Envoy lets that part pass, and refuses the others by itself.
local TOLD = "x-admit-ratio"
local OWN = "own" -- what stands there in a refusal of this filter, which sees its own answers too
local MORE = 1.25 -- what an answer says that is no refusal: one gateway of many that is overloaded is not all of them
local NEWS_MS, FEWEST = 250, 10 -- the share is set so often, and by so many answers: their word is of the last 0.2 s
local SILENCE_MS, DOUBLES_MS = 500, 250 -- without news for so long, it doubles in such a time
local LEAST = 0.02 -- somebody must pass, or there are no news
local OF_GATEWAY = "referrer-policy" -- stands on every answer of the gateway, and on none of Envoy's own
-- Only a GET is refused here, whose body, if it has one, nobody waits for, and not what the gateway has to look at before
-- it refuses: pages of other origins, which need headers of their own, and requests with a body.
local LOOKED_AT = { "origin", "content-length" }
local UNSEEN = { ["/health"] = true, ["/ready"] = true, ["/metrics"] = true } -- asked by machines

local share, since = 1, 0 -- of the requests, and the millisecond that it is from
local began, answers, refusals, told = 0, 0, 0, 0 -- since when what was answered, and the logarithms of what it said

-- The clock can be set back, and would then stand still here.
local function set_back(now)
  since, began = math.min(since, now), math.min(began, now)
end

local function passing(now)
  return math.min(1, share * 2 ^ (math.max(0, now - since - SILENCE_MS) / DOUBLES_MS))
end

function envoy_on_request(handle)
  if share == 1 then
    return
  end
  local now = handle:timestamp()
  set_back(now)
  local passes = passing(now)
  if passes == 1 then
    share = 1
    return
  end
  local headers = handle:headers()
  local path = headers:get(":path"):match("^[^?]*")
  if headers:get(":method") ~= "GET" or UNSEEN[path] or math.random() < passes then
    return
  end
  for _, name in ipairs(LOOKED_AT) do
    if headers:get(name) then
      return
    end
  end
  handle:respond({ [":status"] = "503", ["retry-after"] = tostring(math.random(3)), [TOLD] = OWN }, "")
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local ratio = headers:get(TOLD)
  if ratio then
    headers:remove(TOLD)
    if ratio == OWN then
      return
    end
  elseif not headers:get(OF_GATEWAY) then
    return
  end
  local now = handle:timestamp()
  set_back(now)
  if now - began > SILENCE_MS then -- what few answers said in a silence is no news any more
    began, answers, refusals, told = now, 0, 0, 0
  end
  answers = answers + 1
  refusals = refusals + (ratio and 1 or 0)
  told = told + math.log(tonumber(ratio or MORE) or 1)
  if answers < FEWEST or now - began < NEWS_MS then
    return
  end
  if refusals > 0 then
    share = math.max(LEAST, math.min(1, passing(now) * math.exp(told / answers)))
    since = now
  end
  began, answers, refusals, told = now, 0, 0, 0
end
