import { LEAVING_SESSIONS_MAX } from '@breakwater/twin-runtime';

import { RedisScript } from '../redis-script.ts';
import { NUMBER_LUA } from './number-lua.ts';

/**
 * The sessions of a device that were taken over from another gateway and are not closed yet: `<epoch> <gateway>`, with
 * ` heard` behind it once that gateway knows, joined by `;`.
 */
const LEAVING_LUA = `
local function leavingOf(text)
  local sessions = {}
  for session in string.gmatch(text or '', '[^;]+') do sessions[#sessions + 1] = session end
  return sessions
end
local function epochOf(session)
  return string.match(session, '^(%d+) ')
end
local function keepLeaving(hash, device, sessions)
  if #sessions == 0 then return redis.call('HDEL', hash, device) end
  return redis.call('HSET', hash, device, table.concat(sessions, ';'))
end
`;

/**
 * The takeover of a device. Its counter of session epochs is never removed and follows the clock, so that an epoch
 * never comes twice, whatever this Redis may have lost: the twin, which knows the last one from the log, would ignore a
 * device that comes back under a lower one. From here on no older epoch writes the archived session, which is therefore
 * answered as it is now.
 *
 * KEYS: sessions, session epochs, archived session, leaving sessions
 * ARGV: device key, gateway id
 */
export const openSessionScript = new RedisScript(
  'open_session',
  `#!lua flags=allow-oom
${LEAVING_LUA}
local displaced = redis.call('HGET', KEYS[1], ARGV[1])
${NUMBER_LUA}
local leaving = leavingOf(redis.call('HGET', KEYS[4], ARGV[1]))
if displaced and string.match(displaced, ' (.+)$') ~= ARGV[2] then
  leaving[#leaving + 1] = displaced
  if #leaving > ${LEAVING_SESSIONS_MAX} then table.remove(leaving, 1) end
  keepLeaving(KEYS[4], ARGV[1], leaving)
end
local last = redis.call('HGET', KEYS[2], ARGV[1])
local epoch = nextNumber(last)
redis.call('HSET', KEYS[2], ARGV[1], epoch)
redis.call('HSET', KEYS[1], ARGV[1], epoch .. ' ' .. ARGV[2])
return {tonumber(epoch), displaced, redis.call('GET', KEYS[3]), table.concat(leaving, ';'), last or '0'}
`,
);

/**
 * KEYS: leaving sessions
 * ARGV: device key, session epoch
 */
export const sessionHeardScript = new RedisScript(
  'session_heard',
  `#!lua flags=allow-oom
${LEAVING_LUA}
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return 0 end
local leaving = leavingOf(text)
for at, session in ipairs(leaving) do
  if epochOf(session) == ARGV[2] and not string.find(session, ' heard$') then leaving[at] = session .. ' heard' end
end
keepLeaving(KEYS[1], ARGV[1], leaving)
return 1
`,
);

/**
 * KEYS: sessions, leaving sessions
 * ARGV: device key, session epoch
 */
export const closeSessionScript = new RedisScript(
  'close_session',
  `#!lua flags=allow-oom
${LEAVING_LUA}
local text = redis.call('HGET', KEYS[2], ARGV[1])
if text then
  local left = {}
  for _, session in ipairs(leavingOf(text)) do
    if epochOf(session) ~= ARGV[2] then left[#left + 1] = session end
  end
  keepLeaving(KEYS[2], ARGV[1], left)
end
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
