import { RedisScript } from '../redis-script.ts';

/** What the scripts of this file answer. */
export const RESTORED = { written: 1, same: 0, differs: -1, deletedSince: -2, credentialTaken: -3 } as const;

/**
 * KEYS: API keys
 * ARGV: hash of the API key, tenant
 */
export const restoreApiKeyScript = new RedisScript(
  'restore_api_key',
  `#!lua
local holder = redis.call('HGET', KEYS[1], ARGV[1])
if holder then return holder == ARGV[2] and 0 or -3 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`,
);

/**
 * A device as it was, unless something of its id is there, or was and is newer.
 *
 * KEYS: devices, their order, incarnations, tokens, numbers of children
 * ARGV: device, what is stored of it, incarnation, token hash or -, device key, via or -
 */
export const restoreDeviceScript = new RedisScript(
  'restore_device',
  `#!lua
local present = redis.call('HGET', KEYS[1], ARGV[1])
if present then
  return (present == ARGV[2] or present .. ' auto 0 -' == ARGV[2]) and 0 or -1
end
if tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or 0) >= tonumber(ARGV[3]) then return -2 end
if ARGV[4] ~= '-' then
  local holder = redis.call('HGET', KEYS[4], ARGV[4])
  if holder and holder ~= ARGV[5] then return -3 end
  redis.call('HSET', KEYS[4], ARGV[4], ARGV[5])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
if ARGV[6] ~= '-' then redis.call('HINCRBY', KEYS[5], ARGV[6], 1) end
return 1
`,
);

/**
 * KEYS: incarnations
 * ARGV: device, incarnation
 */
export const restoreIncarnationScript = new RedisScript(
  'restore_incarnation',
  `#!lua
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`,
);
