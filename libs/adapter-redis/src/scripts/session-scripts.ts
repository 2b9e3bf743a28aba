import { RedisScript } from '../redis-script.ts';

/**
 * The takeover of a device. Its counter of session epochs is never removed, so an epoch never comes twice.
 *
 * KEYS: sessions, session epochs
 * ARGV: device key, gateway id
 */
export const openSessionScript = new RedisScript(
  'open_session',
  `#!lua flags=allow-oom
local displaced = redis.call('HGET', KEYS[1], ARGV[1])
local epoch = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', epoch) .. ARGV[2])
return {epoch, displaced}
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
