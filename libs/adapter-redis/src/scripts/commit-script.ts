import { RedisScript } from '../redis-script.ts';

/**
 * One atomic step of a shard. A script of Redis is not rolled back when it fails in the middle, so everything that can
 * be refused or can fail is looked at first: epoch, log, positions, the revision of every twin, and the type of every
 * key and number that is written. The positions are written last, together with the ledger and with who wrote them: so
 * the append-only file of Redis alone shows that there was one writer at a time.
 *
 * KEYS: shard, outbox, outbox order, timers, timer generations, twins, documents, changed twins
 * ARGV: epoch, log id, expected control, expected telemetry, next control, next telemetry, number of twins, of
 *       documents, of outbox entries, of timers, of counts; then per twin (key, expected revision, value or '' to
 *       delete), per document (key, text or '' to delete), per entry (id, value), per timer (member, due or '' to
 *       clear, generation), per count (ledger field, number). The value of a twin begins with its revision.
 */
export const commitScript = new RedisScript(
  'commit',
  `#!lua flags=allow-oom
local CHUNK = 500
local twins, documents, entries = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local timers, counts = tonumber(ARGV[10]), tonumber(ARGV[11])
local atTwins = 12
local atDocuments = atTwins + 3 * twins
local atEntries = atDocuments + 2 * documents
local atTimers = atEntries + 2 * entries
local atCounts = atTimers + 3 * timers

local shard = redis.call('HMGET', KEYS[1], 'epoch', 'logId', 'control', 'telemetry', 'outboxSeq')
if shard[1] ~= ARGV[1] then return 'STALE_EPOCH' end
if shard[2] and shard[2] ~= ARGV[2] then return 'LOG_CHANGED' end
if (shard[3] or '0') ~= ARGV[3] or (shard[4] or '0') ~= ARGV[4] then return 'POSITION_MISMATCH' end
for start = 0, twins - 1, CHUNK do
  local count = math.min(CHUNK, twins - start)
  local fields = {}
  for i = 1, count do fields[i] = ARGV[atTwins + 3 * (start + i - 1)] end
  local values = redis.call('HMGET', KEYS[6], unpack(fields))
  for i = 1, count do
    local revision = values[i] and string.match(values[i], '^%d+') or '0'
    if revision ~= ARGV[atTwins + 3 * (start + i - 1) + 1] then return 'REVISION_MISMATCH' end
  end
end
if documents > 0 then redis.call('HLEN', KEYS[7]) end
redis.call('SCARD', KEYS[8])
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

local function put(key, first, step, number)
  for start = 0, number - 1, CHUNK do
    local values = {}
    for i = start, math.min(start + CHUNK, number) - 1 do
      local field, value = ARGV[first + step * i], ARGV[first + step * i + step - 1]
      if value == '' then
        redis.call('HDEL', key, field)
      else
        values[#values + 1] = field
        values[#values + 1] = value
      end
    end
    if #values > 0 then redis.call('HSET', key, unpack(values)) end
  end
end
put(KEYS[6], atTwins, 3, twins)
put(KEYS[7], atDocuments, 2, documents)
for start = 0, twins - 1, CHUNK do
  local changed = {}
  for i = start, math.min(start + CHUNK, twins) - 1 do changed[#changed + 1] = ARGV[atTwins + 3 * i] end
  redis.call('SADD', KEYS[8], unpack(changed))
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

/**
 * Format 1 had a hash for each twin (`r` revision, `s` state). Moves those that are asked for to where twins are now;
 * any process may, since it changes nothing of a twin but its place, and none is in both.
 *
 * KEYS: twins, documents, then where format 1 had each twin
 * ARGV: the keys of these twins
 */
export const moveFromFormat1Script = new RedisScript(
  'move_from_format_1',
  `#!lua flags=allow-oom
local moved = 0
for i = 1, #ARGV do
  local older = redis.call('HMGET', KEYS[2 + i], 'r', 's')
  if older[1] and redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then
    redis.call('HSET', KEYS[1], ARGV[i], older[1])
    redis.call('HSET', KEYS[2], ARGV[i], older[2])
    redis.call('DEL', KEYS[2 + i])
    moved = moved + 1
  end
end
return moved
`,
);
