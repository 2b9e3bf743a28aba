import { RedisScript } from '../redis-script.ts';
import { LEASE_LUA } from './lease-lua.ts';

/**
 * The life of a gateway id: registered, renewed, and then lost for ever. Whoever first sees that its time is over marks
 * it lost, in the same script; from then on a renewal fails. Otherwise a gateway that was paused could come back to
 * life after its producer was fenced and its devices were told to be disconnected. The mark is kept for a day.
 */
const LOST = `
local function markLost(lease, channel, channelState)
  redis.call('DEL', lease, channel, channelState)
  redis.call('HSET', lease, 'lost', '1')
  redis.call('PEXPIRE', lease, 86400000)
end
`;

/**
 * KEYS: lease, channel, channel state
 * ARGV: ttl in ms
 */
export const renewGatewayScript = new RedisScript(
  'renew_gateway',
  `#!lua flags=allow-oom
${LEASE_LUA}${LOST}
local lease = redis.call('HMGET', KEYS[1], 'until', 'ttl')
if not lease[1] then return 0 end
local now = nowMs()
if isLost(tonumber(lease[1]), tonumber(lease[2]), now) then
  markLost(KEYS[1], KEYS[2], KEYS[3])
  return 0
end
redis.call('HSET', KEYS[1], 'until', text(now + ARGV[1]), 'ttl', ARGV[1])
return 1
`,
);

/**
 * KEYS: lease
 * ARGV: ttl in ms
 */
export const registerGatewayScript = new RedisScript(
  'register_gateway',
  `#!lua flags=allow-oom
${LEASE_LUA}
redis.call('HSET', KEYS[1], 'until', text(nowMs() + ARGV[1]), 'ttl', ARGV[1])
redis.call('HDEL', KEYS[1], 'lost')
redis.call('PERSIST', KEYS[1])
return 1
`,
);

/** KEYS: lease, channel, channel state */
export const unregisterGatewayScript = new RedisScript(
  'unregister_gateway',
  `#!lua flags=allow-oom
${LOST}
markLost(KEYS[1], KEYS[2], KEYS[3])
return 1
`,
);

/** KEYS: lease, channel, channel state */
export const gatewayLivesScript = new RedisScript(
  'gateway_lives',
  `#!lua flags=allow-oom
${LEASE_LUA}${LOST}
local lease = redis.call('HMGET', KEYS[1], 'until', 'ttl')
if not lease[1] then return 0 end
if not isLost(tonumber(lease[1]), tonumber(lease[2]), nowMs()) then return 1 end
markLost(KEYS[1], KEYS[2], KEYS[3])
return 0
`,
);

/**
 * Notices for one gateway. The state of its channel holds the number of the last notice and the bytes sent, and the
 * same for what was received, so what is waiting is known without counting. A channel of which nobody reads is removed
 * by its expiry.
 *
 * KEYS: lease, channel, channel state
 * ARGV: notices max, bytes max, life of an idle channel in ms, then the notices
 */
export const sendNoticesScript = new RedisScript(
  'send_notices',
  `#!lua flags=allow-oom
${LEASE_LUA}
local taken = {}
local lease = redis.call('HMGET', KEYS[1], 'lost', 'until', 'ttl')
local gone = lease[1] or (lease[2] and isLost(tonumber(lease[2]), tonumber(lease[3]), nowMs()))
local state = redis.call('HMGET', KEYS[3], 'sent', 'sentBytes', 'received', 'receivedBytes')
local sent, sentBytes = tonumber(state[1] or '0'), tonumber(state[2] or '0')
local received, receivedBytes = tonumber(state[3] or '0'), tonumber(state[4] or '0')
local full = gone
for i = 4, #ARGV do
  local size = #ARGV[i]
  -- Nothing is taken after the first refusal: a later notice must not overtake an earlier one.
  full = full or sent - received >= tonumber(ARGV[1]) or sentBytes - receivedBytes + size > tonumber(ARGV[2])
  if full then
    taken[i - 3] = 0
  else
    sent = sent + 1
    sentBytes = sentBytes + size
    redis.call('XADD', KEYS[2], text(sent) .. '-1', 'n', ARGV[i], 'c', text(sentBytes))
    taken[i - 3] = 1
  end
end
if not gone then
  redis.call('HSET', KEYS[3], 'sent', text(sent), 'sentBytes', text(sentBytes))
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
return taken
`,
);

/**
 * What a gateway has received no longer takes room.
 *
 * KEYS: channel, channel state
 * ARGV: number and cumulative bytes of the last notice received
 */
export const noticesReceivedScript = new RedisScript(
  'notices_received',
  `#!lua flags=allow-oom
redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[1] .. '-2')
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'received', ARGV[1], 'receivedBytes', ARGV[2])
end
return 1
`,
);
