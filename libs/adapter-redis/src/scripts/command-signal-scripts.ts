import { RedisScript } from '../redis-script.ts';

/**
 * All of the signals, or none when there is no room. One that is there keeps its place.
 *
 * KEYS: signals, their order
 * ARGV: signals max, then pairs of id and value
 */
export const pushSignalsScript = new RedisScript(
  'push_signals',
  `#!lua flags=allow-oom
local news = {}
for i = 2, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then news[#news + 1] = i end
end
if redis.call('HLEN', KEYS[1]) + #news > tonumber(ARGV[1]) then return 0 end
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
local place = tonumber(last[2] or '0')
for _, i in ipairs(news) do
  place = place + 1
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], string.format('%.0f', place), ARGV[i])
end
return 1
`,
);
