import { RedisScript } from '../redis-script.ts';

/**
 * Forgets whole frames below an offset. Each frame holds how many bytes were appended before it (`c`), so what a trim
 * freed is known from the first frame that is left, without reading those that went.
 *
 * KEYS: lane, frames
 * ARGV: offset
 */
export const trimScript = new RedisScript(
  'trim',
  `#!lua flags=allow-oom
local lane = redis.call('HMGET', KEYS[1], 'end', 'appendedBytes', 'first')
local last = tonumber(lane[1] or '0')
local before = math.min(tonumber(ARGV[1]), last)
if before <= tonumber(lane[3] or '0') then return 0 end
local removed = redis.call('XTRIM', KEYS[2], 'MINID', '=', string.format('%.0f-0', before))
if removed == 0 then return 0 end
local first = last
local trimmed = lane[2]
local entry = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if entry then
  first = tonumber(string.match(entry[1], '^(%d+)-')) - tonumber(entry[2][4]) + 1
  trimmed = entry[2][8]
end
redis.call('HSET', KEYS[1], 'first', string.format('%.0f', first), 'trimmedBytes', trimmed)
return removed
`,
);
