/**
 * Lua that issues numbers which never come twice, even when the last ones that were issued are forgotten: a replica
 * that takes over may lack the newest writes of its primary. At least one more than the last that is known, and at
 * least the time by the clock of Redis, in ms since 2026: so it exceeds everything issued before, as long as clocks of
 * two servers differ by less than it takes to notice that one of them is gone. Eleven digits, exact in a double.
 */
export const NUMBER_LUA = `local function nextNumber(last)
  local time = redis.call('TIME')
  local byClock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - 1767225600000
  return string.format('%.0f', math.max(tonumber(last or '0') + 1, byClock))
end`;
