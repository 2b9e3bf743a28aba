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
 * A device is stored as
 * \`<incarnation> <created at> <token hash or -> <payload format> <is gateway> <via or ->\`;
 * those of older releases end with the token hash. The counter of incarnations outlives it.
 *
 * KEYS: devices, their order, incarnations, tokens, numbers of children
 * ARGV: device, token hash or -, created at, device key, payload format, is gateway, via or -, most children
 */
export const createDeviceScript = new RedisScript(
  'create_device',
  `#!lua
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
if ARGV[2] ~= '-' and redis.call('HEXISTS', KEYS[4], ARGV[2]) == 1 then
  return redis.error_reply('CREDENTIAL_TAKEN the token belongs to another device')
end
if ARGV[7] ~= '-' then
  if tonumber(redis.call('HGET', KEYS[5], ARGV[7]) or 0) >= tonumber(ARGV[8]) then return -1 end
  redis.call('HINCRBY', KEYS[5], ARGV[7], 1)
end
local incarnation = redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
redis.call('HSET', KEYS[1], ARGV[1], table.concat(
  {string.format('%.0f', incarnation), ARGV[3], ARGV[2], ARGV[5], ARGV[6], ARGV[7]}, ' '))
redis.call('ZADD', KEYS[2], 0, ARGV[1])
if ARGV[2] ~= '-' then redis.call('HSET', KEYS[4], ARGV[2], ARGV[4]) end
return incarnation
`,
);

/**
 * KEYS: devices, their order, tokens, numbers of children
 * ARGV: device
 */
export const deleteDeviceScript = new RedisScript(
  'delete_device',
  `#!lua flags=allow-oom
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then return false end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], string.match(stored, '^%d+ %d+ (%S+)'))
local via = string.match(stored, '^%d+ %d+ %S+ %S+ %d (%S+)$')
if via and via ~= '-' and redis.call('HINCRBY', KEYS[4], via, -1) <= 0 then redis.call('HDEL', KEYS[4], via) end
return stored
`,
);

/**
 * Answers 0 when the gateway device has as many children as it may, nothing when there is no such device.
 *
 * KEYS: devices, numbers of children
 * ARGV: device, payload format, is gateway, via or -, most children; '' leaves what is
 */
export const updateProfileScript = new RedisScript(
  'update_profile',
  `#!lua
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then return false end
local life, format, gateway, via = string.match(stored, '^(%d+ %d+ %S+) (%S+) (%d) (%S+)$')
if not life then life, format, gateway, via = stored, 'auto', '0', '-' end
local next_via = ARGV[4] ~= '' and ARGV[4] or via
if next_via ~= via then
  if next_via ~= '-' then
    if tonumber(redis.call('HGET', KEYS[2], next_via) or 0) >= tonumber(ARGV[5]) then return 0 end
    redis.call('HINCRBY', KEYS[2], next_via, 1)
  end
  if via ~= '-' and redis.call('HINCRBY', KEYS[2], via, -1) <= 0 then redis.call('HDEL', KEYS[2], via) end
end
if ARGV[2] ~= '' then format = ARGV[2] end
if ARGV[3] ~= '' then gateway = ARGV[3] end
stored = table.concat({life, format, gateway, next_via}, ' ')
redis.call('HSET', KEYS[1], ARGV[1], stored)
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
local life, old, profile = string.match(stored, '^(%d+ %d+) (%S+)(.*)$')
redis.call('HDEL', KEYS[2], old)
redis.call('HSET', KEYS[1], ARGV[1], life .. ' ' .. ARGV[2] .. profile)
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
