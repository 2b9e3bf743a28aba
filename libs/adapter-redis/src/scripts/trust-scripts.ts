import { RedisScript } from '../redis-script.ts';

/**
 * One part of what a tenant's devices prove themselves with. A full Redis takes it too: a revocation must not wait.
 *
 * KEYS: trust of the tenant, order of changes, counter of changes
 * ARGV: tenant, name of the part, its text or '' for none
 */
export const replaceTrustScript = new RedisScript(
  'replace_trust',
  `#!lua flags=allow-oom
local version = redis.call('INCR', KEYS[3])
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[2], version, ARGV[1])
return version
`,
);

/**
 * The CAs of a tenant. The keys that it held are kept with them, so that they are free once they are replaced.
 *
 * KEYS: trust of the tenant, order of changes, counter of changes, tenants by CA key
 * ARGV: tenant, PEM or '' for none, hash of each public key
 */
export const replaceDeviceCaScript = new RedisScript(
  'replace_device_ca',
  `#!lua flags=allow-oom
for i = 3, #ARGV do
  local holder = redis.call('HGET', KEYS[4], ARGV[i])
  if holder and holder ~= ARGV[1] then return -1 end
end
for held in string.gmatch(redis.call('HGET', KEYS[1], 'caKeys') or '', '%S+') do
  redis.call('HDEL', KEYS[4], held)
end
for i = 3, #ARGV do redis.call('HSET', KEYS[4], ARGV[i], ARGV[1]) end
local version = redis.call('INCR', KEYS[3])
redis.call('HSET', KEYS[1], 'deviceCa', ARGV[2], 'caKeys', table.concat(ARGV, ' ', 3))
redis.call('ZADD', KEYS[2], version, ARGV[1])
return version
`,
);
