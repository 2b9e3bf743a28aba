import { RedisScript } from '../redis-script.ts';

/** Redis' own clock, in milliseconds. */
const NOW_MS = `local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`;

/**
 * A round takes over the names of all twins that were written since the one before, in one step with the positions of
 * the shard: so it has every twin that was written before these. One that was not ended is gone on with.
 *
 * KEYS: shard, changed twins, twins in the round, round
 */
export const beginRoundScript = new RedisScript(
  'begin_round',
  `#!lua flags=allow-oom
local shard = redis.call('HMGET', KEYS[1], 'logId', 'control', 'telemetry', 'restoring')
if not shard[1] or shard[4] then return false end
local round = redis.call('HMGET', KEYS[4], 'open', 'logId', 'ended')
if not round[1] or round[2] ~= shard[1] then
  local open = string.format('%.0f', tonumber(round[1] or round[3] or '0') + 1)
  if redis.call('EXISTS', KEYS[3]) == 1 then
    redis.call('SUNIONSTORE', KEYS[3], KEYS[3], KEYS[2])
    redis.call('UNLINK', KEYS[2])
  elseif redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('RENAME', KEYS[2], KEYS[3])
  end
  redis.call('HSET', KEYS[4], 'open', open, 'logId', shard[1], 'control', shard[2] or '0', 'telemetry', shard[3] or '0')
end
return redis.call('HMGET', KEYS[4], 'open', 'logId', 'control', 'telemetry',
  'endedLogId', 'endedControl', 'endedTelemetry')
`,
);

/**
 * KEYS: twins in the round, round
 * ARGV: number of the round
 */
export const endRoundScript = new RedisScript(
  'end_round',
  `#!lua flags=allow-oom
local round = redis.call('HMGET', KEYS[2], 'open', 'logId', 'control', 'telemetry')
if round[1] ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
redis.call('HDEL', KEYS[2], 'open', 'logId', 'control', 'telemetry')
redis.call('HSET', KEYS[2], 'ended', round[1], 'endedLogId', round[2],
  'endedControl', round[3], 'endedTelemetry', round[4])
return 1
`,
);

/**
 * A partition without positions has nothing, unless it is to be replaced: it is marked, so that nobody owns it until it
 * is whole, and whatever an earlier try has left is removed. The epoch is one that nobody has: a commit of an owner
 * from before is refused.
 *
 * Of two that restore, the first has it for as long as it says so now and then; below 0, somebody else has it for so
 * many milliseconds.
 *
 * KEYS: shard, then every other key of the partition's twins
 * ARGV: an epoch of nobody, 1 to replace what is there, who restores, for how many milliseconds
 */
export const beginRestoreScript = new RedisScript(
  'begin_restore',
  `#!lua
local shard = redis.call('HMGET', KEYS[1], 'restoring', 'logId', 'restoringUntil')
${NOW_MS}
local left = tonumber(shard[3] or '0') - nowMs
if shard[1] and shard[1] ~= ARGV[3] and left > 0 then return -math.ceil(left) end
if not shard[1] and shard[2] and ARGV[2] ~= '1' then return 0 end
local epochs = redis.call('HGET', KEYS[1], 'epochs')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'restoring', ARGV[3], 'epoch', ARGV[1], 'epochs', epochs or '0',
  'restoringUntil', string.format('%.0f', nowMs + tonumber(ARGV[4])))
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
`,
);

/**
 * Writes twins and timers while the partition is this restorer's, and keeps it so.
 *
 * KEYS: shard, twins, documents, timers, generations of timers
 * ARGV: who restores, for how many milliseconds, number of twins, then key, value and document of each, then time, name
 *   and generation of each timer
 */
export const writeRestoreScript = new RedisScript(
  'write_restore',
  `#!lua
if redis.call('HGET', KEYS[1], 'restoring') ~= ARGV[1] then return 0 end
${NOW_MS}
redis.call('HSET', KEYS[1], 'restoringUntil', string.format('%.0f', nowMs + tonumber(ARGV[2])))
local twinsEnd = 3 + 3 * tonumber(ARGV[3])
for i = 4, twinsEnd, 3 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 2])
end
for i = twinsEnd + 1, #ARGV, 3 do
  redis.call('ZADD', KEYS[4], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[5], ARGV[i + 1], ARGV[i + 2])
end
return 1
`,
);

/**
 * The shard as it was, and its mark gone, in one step. The epochs that were issued after the snapshot are not known
 * here; those to come follow the clock.
 *
 * KEYS: shard, outbox, outbox order
 * ARGV: who restores, number of fields of the shard, then fields and values, then ids and values of the outbox in their
 *   order
 */
export const endRestoreScript = new RedisScript(
  'end_restore',
  `#!lua
if redis.call('HGET', KEYS[1], 'restoring') ~= ARGV[1] then return 0 end
local fieldsEnd = 2 + 2 * tonumber(ARGV[2])
for i = 3, fieldsEnd, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
local order = 0
for i = fieldsEnd + 1, #ARGV, 2 do
  order = order + 1
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[3], order, ARGV[i])
end
redis.call('HDEL', KEYS[1], 'restoring', 'restoringUntil')
return 1
`,
);
