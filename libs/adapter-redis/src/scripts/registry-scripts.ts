import { RedisScript } from '../redis-script.ts';

/**
 * KEYS: tenants, API keys
 * ARGV: tenant, hash of its API key, created at
 */
export const createTenantScript = new RedisScript(
  'create_tenant',
  `#!lua
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return redis.error_reply('CREDENTIAL_TAKEN the API key belongs to another tenant')
end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[3]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
return 1
`,
);

/**
 * A device is stored as \`<incarnation> <created at> <token hash>\`. The counter of incarnations outlives it.
 *
 * KEYS: devices, their order, incarnations, tokens
 * ARGV: device, token hash, created at, device key
 */
export const createDeviceScript = new RedisScript(
  'create_device',
  `#!lua
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
if redis.call('HEXISTS', KEYS[4], ARGV[2]) == 1 then
  return redis.error_reply('CREDENTIAL_TAKEN the token belongs to another device')
end
local incarnation = redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', incarnation) .. ARGV[3] .. ' ' .. ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('HSET', KEYS[4], ARGV[2], ARGV[4])
return incarnation
`,
);

/**
 * KEYS: devices, their order, tokens
 * ARGV: device
 */
export const deleteDeviceScript = new RedisScript(
  'delete_device',
  `#!lua flags=allow-oom
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then return false end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], string.match(stored, '^%d+ %d+ (.*)$'))
return stored
`,
);

/**
 * KEYS: devices, tokens
 * ARGV: device, new token hash, device key
 */
export const rotateTokenScript = new RedisScript(
  'rotate_token',
  `#!lua
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then return false end
local holder = redis.call('HGET', KEYS[2], ARGV[2])
if holder and holder ~= ARGV[3] then
  return redis.error_reply('CREDENTIAL_TAKEN the token belongs to another device')
end
local life, old = string.match(stored, '^(%d+ %d+) (.*)$')
redis.call('HDEL', KEYS[2], old)
redis.call('HSET', KEYS[1], ARGV[1], life .. ' ' .. ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return stored
`,
);

/**
 * Devices in the order of their ids: pairs of id and what is stored.
 *
 * KEYS: devices, their order
 * ARGV: where to start (\`-\` or \`(<id>\`), limit
 */
export const listDevicesScript = new RedisScript(
  'list_devices',
  `#!lua flags=no-writes
local found = {}
local ids = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
for i = 1, #ids do
  found[2 * i - 1] = ids[i]
  found[2 * i] = redis.call('HGET', KEYS[1], ids[i])
end
return found
`,
);
