import { RedisScript } from '../redis-script.ts';

/**
 * Adds one flush to the counts, once: a flusher that repeats it, because it got no answer, changes nothing.
 *
 * KEYS: counts, flusher
 * ARGV: seq, how long a silent flusher is remembered in ms, lines max, name of all other tenants; then per line
 *       (tenant, reason, count)
 */
export const addRefusalsScript = new RedisScript(
  'add_refusals',
  `#!lua flags=allow-oom
if tonumber(ARGV[1]) <= tonumber(redis.call('GET', KEYS[2]) or '0') then return 0 end
local lines = redis.call('HLEN', KEYS[1])
for at = 5, #ARGV, 3 do
  local field = ARGV[at] .. ' ' .. ARGV[at + 1]
  if redis.call('HEXISTS', KEYS[1], field) == 0 then
    if lines >= tonumber(ARGV[3]) then field = ARGV[4] .. ' ' .. ARGV[at + 1] else lines = lines + 1 end
  end
  redis.call('HINCRBY', KEYS[1], field, ARGV[at + 2])
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
`,
);
