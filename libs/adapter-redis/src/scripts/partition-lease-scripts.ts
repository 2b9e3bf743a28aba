import { RedisScript } from '../redis-script.ts';
import { LEASE_LUA } from './lease-lua.ts';

/**
 * KEYS: lease
 * ARGV: member, ttl in ms
 */
export const acquireLeaseScript = new RedisScript(
  'acquire_lease',
  `#!lua flags=allow-oom
${LEASE_LUA}
local lease = redis.call('HMGET', KEYS[1], 'member', 'until', 'ttl')
local now = nowMs()
if lease[1] and lease[1] ~= ARGV[1] and not isLost(tonumber(lease[2]), tonumber(lease[3]), now) then return 0 end
redis.call('HSET', KEYS[1], 'member', ARGV[1], 'until', text(now + ARGV[2]), 'ttl', ARGV[2])
return 1
`,
);

/** KEYS: lease */
export const leaseHeldScript = new RedisScript(
  'lease_held',
  `#!lua flags=no-writes
${LEASE_LUA}
local lease = redis.call('HMGET', KEYS[1], 'until', 'ttl')
if not lease[1] or isLost(tonumber(lease[1]), tonumber(lease[2]), nowMs()) then return 0 end
return 1
`,
);

/**
 * KEYS: lease
 * ARGV: member
 */
export const releaseLeaseScript = new RedisScript(
  'release_lease',
  `#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'member') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`,
);

/**
 * A member's value is \`until ttl\`. Members are as many as there are worker processes, so all are read.
 *
 * KEYS: members
 * ARGV: member, ttl in ms
 */
export const heartbeatScript = new RedisScript(
  'heartbeat',
  `#!lua flags=allow-oom
${LEASE_LUA}
local now = nowMs()
redis.call('HSET', KEYS[1], ARGV[1], text(now + ARGV[2]) .. ' ' .. ARGV[2])
local members = redis.call('HGETALL', KEYS[1])
local live = {}
for i = 1, #members, 2 do
  local untilMs, ttlMs = string.match(members[i + 1], '^(%d+) (%d+)$')
  if isLost(tonumber(untilMs), tonumber(ttlMs), now) then
    redis.call('HDEL', KEYS[1], members[i])
  else
    live[#live + 1] = members[i]
  end
end
return live
`,
);
