import { RedisScript } from '../redis-script.ts';

/**
 * Changes into one partition's feed. The oldest make room: consumers that fall behind are told of the gap.
 *
 * KEYS: feed, feed state
 * ARGV: entries kept, bytes kept, then per change its device key and its text
 */
export const publishChangesScript = new RedisScript(
  'publish_changes',
  `#!lua flags=allow-oom
local state = redis.call('HMGET', KEYS[2], 'end', 'bytes', 'trimmedBytes')
local last, bytes, trimmed = tonumber(state[1] or '0'), tonumber(state[2] or '0'), tonumber(state[3] or '0')
for i = 3, #ARGV, 2 do
  last = last + 1
  bytes = bytes + #ARGV[i] + #ARGV[i + 1]
  redis.call('XADD', KEYS[1], string.format('%.0f-1', last), 'k', ARGV[i], 'd', ARGV[i + 1],
    'c', string.format('%.0f', bytes))
end
local minimum = last - tonumber(ARGV[1]) + 1
local after = '-'
while bytes - trimmed > tonumber(ARGV[2]) do
  local oldest = redis.call('XRANGE', KEYS[1], after, '+', 'COUNT', 1)[1]
  if not oldest then break end
  after = '(' .. oldest[1]
  trimmed = tonumber(oldest[2][6])
  minimum = math.max(minimum, tonumber(string.match(oldest[1], '^%d+')) + 1)
end
if minimum > 1 and redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f-0', minimum)) > 0 then
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  trimmed = first and tonumber(first[2][6]) - #first[2][2] - #first[2][4] or bytes
end
redis.call('HSET', KEYS[2], 'end', string.format('%.0f', last), 'bytes', string.format('%.0f', bytes),
  'trimmedBytes', string.format('%.0f', trimmed))
return last
`,
);
