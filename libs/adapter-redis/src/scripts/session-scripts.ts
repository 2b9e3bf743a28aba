import { RedisScript } from '../redis-script.ts';
import { NUMBER_LUA } from './number-lua.ts';

/**
 * The takeover of a device. Its counter of session epochs is never removed and follows the clock, so that an epoch
 * never comes twice, whatever this Redis may have lost: the twin, which knows the last one from the log, would ignore a
 * device that comes back under a lower one. From here on no older epoch writes the archived session, which is therefore
 * answered as it is now.
 *
 * KEYS: sessions, session epochs, archived session
 * ARGV: device key, gateway id
 */
export const openSessionScript = new RedisScript(
  'open_session',
  `#!lua flags=allow-oom
local displaced = redis.call('HGET', KEYS[1], ARGV[1])
${NUMBER_LUA}
local epoch = nextNumber(redis.call('HGET', KEYS[2], ARGV[1]))
redis.call('HSET', KEYS[2], ARGV[1], epoch)
redis.call('HSET', KEYS[1], ARGV[1], epoch .. ' ' .. ARGV[2])
return {tonumber(epoch), displaced, redis.call('GET', KEYS[3])}
`,
);

/**
 * KEYS: sessions
 * ARGV: device key, session epoch
 */
export const closeSessionScript = new RedisScript(
  'close_session',
  `#!lua flags=allow-oom
local session = redis.call('HGET', KEYS[1], ARGV[1])
if not session or string.match(session, '^(%d+) ') ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
`,
);

/**
 * Only the holder of the device's newest session epoch writes. It is not flagged `allow-oom`: when the memory of Redis
 * is used up, sessions that last are refused rather than records.
 *
 * KEYS: session epochs, archived session
 * ARGV: device key, session epoch, time to live in ms, bytes
 */
export const saveSessionScript = new RedisScript(
  'save_session',
  `#!lua
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[2] .. ' ' .. ARGV[4], 'PX', ARGV[3])
return 1
`,
);

/**
 * KEYS: session epochs, archived session
 * ARGV: device key, session epoch, time to live in ms
 */
export const extendSessionScript = new RedisScript(
  'extend_session',
  `#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', KEYS[2], ARGV[3])
`,
);

/**
 * KEYS: session epochs, archived session
 * ARGV: device key, session epoch
 */
export const removeSessionScript = new RedisScript(
  'remove_session',
  `#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('UNLINK', KEYS[2])
`,
);
