import { RedisScript } from '../redis-script.ts';
import { NUMBER_LUA } from './number-lua.ts';

/**
 * A new epoch: a number that only grows and the owner's id with a random part, so that an epoch is never issued twice.
 * The number follows the clock: a Redis that lost its last writes, or all of them, and with them what it has issued,
 * still issues a higher one, and whoever took orders under the lost one refuses no later one.
 *
 * A shard that is being restored has no owner until it is whole.
 *
 * KEYS: shard
 * ARGV: owner id with its random part
 */
export const takeOwnershipScript = new RedisScript(
  'take_ownership',
  `#!lua flags=allow-oom
local shard = redis.call('HMGET', KEYS[1], 'epochs', 'control', 'telemetry', 'logId', 'takenAt', 'attempts',
  'restoring')
if shard[7] then return 'SHARD_RESTORING' end
${NUMBER_LUA}
local epochs = nextNumber(shard[1])
local epoch = epochs .. ':' .. ARGV[1]
local control, telemetry = shard[2] or '0', shard[3] or '0'
local positions = control .. ' ' .. telemetry
local attempts = 1
if shard[5] == positions then attempts = tonumber(shard[6]) + 1 end
redis.call('HSET', KEYS[1], 'epochs', epochs, 'epoch', epoch, 'takenAt', positions, 'attempts', attempts)
return {epoch, control, telemetry, shard[4], attempts}
`,
);

/**
 * One more attempt at the record of one place, counted once per process: one that asks again has not died of it. Kept
 * beside the positions, so that it survives the process that did.
 *
 * KEYS: shard
 * ARGV: epoch, place, process
 */
export const noteAttemptScript = new RedisScript(
  'note_attempt',
  `#!lua flags=allow-oom
local shard = redis.call('HMGET', KEYS[1], 'epoch', 'attemptedAt', 'attemptsThere', 'attemptedBy')
if shard[1] ~= ARGV[1] then return 0 end
local attempts = 1
if shard[2] == ARGV[2] then
  attempts = tonumber(shard[3])
  if shard[4] == ARGV[3] then return attempts end
  attempts = attempts + 1
end
redis.call('HSET', KEYS[1], 'attemptedAt', ARGV[2], 'attemptsThere', attempts, 'attemptedBy', ARGV[3])
return attempts
`,
);
