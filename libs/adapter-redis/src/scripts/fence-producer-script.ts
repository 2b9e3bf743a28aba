import { RedisScript } from '../redis-script.ts';

/**
 * KEYS: the producer, once per lane
 * ARGV: how long the fence is kept, in ms
 */
export const fenceProducerScript = new RedisScript(
  'fence_producer',
  `#!lua flags=allow-oom
for _, key in ipairs(KEYS) do
  redis.call('HSET', key, 'fenced', '1')
  redis.call('PEXPIRE', key, ARGV[1])
end
return #KEYS
`,
);
