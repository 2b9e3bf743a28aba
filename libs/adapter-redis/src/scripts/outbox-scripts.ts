import { RedisScript } from '../redis-script.ts';

/**
 * The oldest entries, as pairs of id and value.
 *
 * KEYS: outbox, outbox order
 * ARGV: limit
 */
export const readOutboxScript = new RedisScript(
  'read_outbox',
  `#!lua flags=no-writes
local CHUNK = 500
local found = {}
local ids = redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[1]) - 1)
for start = 1, #ids, CHUNK do
  local to = math.min(start + CHUNK - 1, #ids)
  local values = redis.call('HMGET', KEYS[1], unpack(ids, start, to))
  for i = start, to do
    found[#found + 1] = ids[i]
    found[#found + 1] = values[i - start + 1]
  end
end
return found
`,
);

/**
 * KEYS: outbox, outbox order
 * ARGV: ids
 */
export const confirmOutboxScript = new RedisScript(
  'confirm_outbox',
  `#!lua flags=allow-oom
local CHUNK = 500
for start = 1, #ARGV, CHUNK do
  local to = math.min(start + CHUNK - 1, #ARGV)
  redis.call('HDEL', KEYS[1], unpack(ARGV, start, to))
  redis.call('ZREM', KEYS[2], unpack(ARGV, start, to))
end
return #ARGV
`,
);
