import { RedisScript } from '../redis-script.ts';

/**
 * Due timers, the earliest first: member, due time and generation of each.
 *
 * KEYS: timers, timer generations
 * ARGV: now in Unix ms, limit
 */
export const dueTimersScript = new RedisScript(
  'due_timers',
  `#!lua flags=no-writes
local found = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #due, 2 do
  found[#found + 1] = due[i]
  found[#found + 1] = due[i + 1]
  found[#found + 1] = redis.call('HGET', KEYS[2], due[i])
end
return found
`,
);
