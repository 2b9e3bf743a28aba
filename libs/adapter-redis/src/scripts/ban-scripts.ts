import { RedisScript } from '../redis-script.ts';

/**
 * The bans lie in a hash by id, their ends in a sorted set, and a version tells pollers whether to read again. It is a
 * time that never goes back, not a count: a count that starts anew after a loss of data would meet its old values.
 */
const BANS_LUA = `
local function nowMs()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end
local function text(number)
  return string.format('%.0f', number)
end
local function changed(key)
  local clock = redis.call('TIME')
  local stamp = clock[1] * 1000000 + clock[2]
  local last = tonumber(redis.call('GET', key) or '0')
  redis.call('SET', key, text(math.max(stamp, last + 1)))
end
`;

/**
 * KEYS: bans, their ends, version
 * ARGV: id, duration in ms, most bans, the ban as JSON without its times
 * Answers since and until.
 */
export const putBanScript = new RedisScript(
  'put_ban',
  `#!lua flags=allow-oom
${BANS_LUA}
local now = nowMs()
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now), 'LIMIT', 0, 1000)
for i = 1, #ended do
  redis.call('ZREM', KEYS[2], ended[i])
  redis.call('HDEL', KEYS[1], ended[i])
end
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  local over = redis.call('ZCARD', KEYS[2]) - ARGV[3] + 1
  for _ = 1, math.min(over, 1000) do
    local first = redis.call('ZPOPMIN', KEYS[2])[1]
    redis.call('HDEL', KEYS[1], first)
  end
end
local ends = now + ARGV[2]
redis.call('ZADD', KEYS[2], text(ends), ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], text(now) .. ' ' .. text(ends) .. ' ' .. ARGV[4])
changed(KEYS[3])
return {now, ends}
`,
);

/**
 * KEYS: bans, their ends, version
 * ARGV: id
 */
export const liftBanScript = new RedisScript(
  'lift_ban',
  `#!lua flags=allow-oom
${BANS_LUA}
local ends = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not ends or tonumber(ends) <= nowMs() then return false end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
changed(KEYS[3])
return stored
`,
);

/**
 * KEYS: bans, their ends
 * ARGV: id
 */
export const findBanScript = new RedisScript(
  'find_ban',
  `#!lua flags=no-writes
${BANS_LUA}
local ends = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not ends or tonumber(ends) <= nowMs() then return false end
return redis.call('HGET', KEYS[1], ARGV[1])
`,
);

/**
 * KEYS: bans, their ends, version
 * ARGV: the version that the reader has
 * Answers the version and then the bans in force; nothing when the reader has that version.
 */
export const readBansScript = new RedisScript(
  'read_bans',
  `#!lua flags=no-writes
${BANS_LUA}
local version = redis.call('GET', KEYS[3]) or '0'
if version == ARGV[1] then return false end
local found = {version}
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. text(nowMs()), '+inf')
for i = 1, #ids do found[i + 1] = redis.call('HGET', KEYS[1], ids[i]) end
return found
`,
);
