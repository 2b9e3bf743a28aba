import { RedisScript } from '../redis-script.ts';

/**
 * One atomic step of a shard. A script of Redis is not rolled back when it fails in the middle, so everything that can
 * be refused or can fail is looked at first: epoch, log, positions, the revision of every twin, and the type of every
 * key and number that is written. The positions are written last, together with the ledger and with who wrote them: so
 * the append-only file of Redis alone shows that there was one writer at a time.
 *
 * KEYS: shard, outbox, outbox order, timers, timer generations, one per twin
 * ARGV: epoch, log id, expected control, expected telemetry, next control, next telemetry, number of twins, of outbox
 *       entries, of timers, of counts; then per twin (expected revision, state or '' to delete), per entry (id, value),
 *       per timer (member, due or '' to clear, generation), per count (ledger field, number)
 */
export const commitScript = new RedisScript(
  'commit',
  `#!lua flags=allow-oom
local CHUNK = 500
local twins, entries, timers, counts = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local atTwins = 11
local atEntries = atTwins + 2 * twins
local atTimers = atEntries + 2 * entries
local atCounts = atTimers + 3 * timers

local shard = redis.call('HMGET', KEYS[1], 'epoch', 'logId', 'control', 'telemetry', 'outboxSeq')
if shard[1] ~= ARGV[1] then return 'STALE_EPOCH' end
if shard[2] and shard[2] ~= ARGV[2] then return 'LOG_CHANGED' end
if (shard[3] or '0') ~= ARGV[3] or (shard[4] or '0') ~= ARGV[4] then return 'POSITION_MISMATCH' end
for i = 1, twins do
  local revision = redis.call('HGET', KEYS[5 + i], 'r')
  if (revision or '0') ~= ARGV[atTwins + 2 * (i - 1)] then return 'REVISION_MISMATCH' end
end
local ledger = {}
for i = 1, counts do
  local field = ARGV[atCounts + 2 * (i - 1)]
  local sum = tonumber(redis.call('HGET', KEYS[1], field) or '0') + tonumber(ARGV[atCounts + 2 * i - 1])
  ledger[#ledger + 1] = field
  ledger[#ledger + 1] = string.format('%.0f', sum)
end
local outboxSeq = tonumber(shard[5] or '0')
if entries > 0 then
  redis.call('HLEN', KEYS[2])
  redis.call('ZCARD', KEYS[3])
end
if timers > 0 then
  redis.call('ZCARD', KEYS[4])
  redis.call('HLEN', KEYS[5])
end

for i = 1, twins do
  local state = ARGV[atTwins + 2 * i - 1]
  if state == '' then
    redis.call('DEL', KEYS[5 + i])
  else
    local revision = string.format('%.0f', tonumber(ARGV[atTwins + 2 * (i - 1)]) + 1)
    redis.call('HSET', KEYS[5 + i], 'r', revision, 's', state)
  end
end
for start = 0, entries - 1, CHUNK do
  local values, order = {}, {}
  for i = start, math.min(start + CHUNK, entries) - 1 do
    local id = ARGV[atEntries + 2 * i]
    outboxSeq = outboxSeq + 1
    values[#values + 1] = id
    values[#values + 1] = ARGV[atEntries + 2 * i + 1]
    order[#order + 1] = string.format('%.0f', outboxSeq)
    order[#order + 1] = id
  end
  redis.call('HSET', KEYS[2], unpack(values))
  redis.call('ZADD', KEYS[3], unpack(order))
end
for i = 0, timers - 1 do
  local member, due, generation = ARGV[atTimers + 3 * i], ARGV[atTimers + 3 * i + 1], ARGV[atTimers + 3 * i + 2]
  if due ~= '' then
    redis.call('ZADD', KEYS[4], due, member)
    redis.call('HSET', KEYS[5], member, generation)
  elseif tonumber(redis.call('HGET', KEYS[5], member) or '0') <= tonumber(generation) then
    redis.call('ZREM', KEYS[4], member)
    redis.call('HDEL', KEYS[5], member)
  end
end
redis.call('HSET', KEYS[1], 'outboxSeq', string.format('%.0f', outboxSeq), 'logId', ARGV[2],
  'committedBy', ARGV[1], 'control', ARGV[5], 'telemetry', ARGV[6], unpack(ledger))
return 'committed'
`,
);
