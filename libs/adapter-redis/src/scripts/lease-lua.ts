/**
 * Functions that lease scripts begin with. A lease is written as `until` (Redis' time, ms) and `ttl`, not as a key that
 * expires: while Redis is down nobody can renew, so after its restart every key would have expired and everybody would
 * be declared dead at once. A lease from before the restart therefore stands for one more lease time after it.
 *
 * The start is read from INFO only when a lease looks lost. `uptime_in_seconds` counts from a whole second, so the
 * start is exact to the second, and a lease that was written in that very second counts as written after it.
 */
export const LEASE_LUA = `
local function nowMs()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end
local function isLost(untilMs, ttlMs, now)
  if now < untilMs then return false end
  local info = redis.call('INFO', 'server')
  local serverSeconds = math.floor(tonumber(string.match(info, 'server_time_usec:(%d+)')) / 1000000)
  local startedMs = (serverSeconds - tonumber(string.match(info, 'uptime_in_seconds:(%d+)'))) * 1000
  local writtenMs = untilMs - ttlMs
  return writtenMs >= startedMs or now >= startedMs + 1000 + ttlMs
end
local function text(number)
  return string.format('%.0f', number)
end
`;
