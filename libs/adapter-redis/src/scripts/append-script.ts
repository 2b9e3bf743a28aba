import { RedisScript } from '../redis-script.ts';

/**
 * One frame into one lane of one partition.
 *
 * Offsets are contiguous because this script alone hands them out, and a frame is in the log once because it compares
 * the producer's sequence number before it writes. Everything is checked first; the writes that follow cannot fail
 * half way: XADD is the only one that could refuse (a foreign type under the key), and it stands first.
 *
 * It is not flagged `allow-oom`: when the memory of Redis is used up appends are refused, while commits, trims and
 * leases, which are flagged so, still drain it.
 *
 * KEYS: lane, frames, producer
 * ARGV: seq, record count, body, lane bytes max (for the source of these records), bytes counted per frame beside the
 *       body, remembered seqs, producer life in ms
 */
export const appendScript = new RedisScript(
  'append',
  `#!lua
local seq = tonumber(ARGV[1])
local slot = 's' .. (seq % tonumber(ARGV[6]))
local producer = redis.call('HMGET', KEYS[3], 'last', 'fenced', slot)
if producer[2] then return {'PRODUCER_FENCED'} end
local last = tonumber(producer[1] or '0')
if seq <= last then
  local known, offset, time = string.match(producer[3] or '', '^(%d+) (%d+) (%d+)$')
  if tonumber(known) == seq then return {'repeated', tonumber(offset), tonumber(time)} end
  return {'SEQUENCE_GAP'}
end
if seq ~= last + 1 then return {'SEQUENCE_GAP'} end

local lane = redis.call('HMGET', KEYS[1], 'end', 'appendedBytes', 'trimmedBytes')
local first = tonumber(lane[1] or '0')
local appended = tonumber(lane[2] or '0')
local size = #ARGV[3] + tonumber(ARGV[5])
if appended - tonumber(lane[3] or '0') + size > tonumber(ARGV[4]) then return {'LANE_FULL'} end

local clock = redis.call('TIME')
local time = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local next = first + tonumber(ARGV[2])
redis.call('XADD', KEYS[2], string.format('%.0f-1', next - 1),
  'b', ARGV[3], 'n', ARGV[2], 't', time, 'c', string.format('%.0f', appended))
redis.call('HSET', KEYS[1], 'end', string.format('%.0f', next), 'appendedBytes', string.format('%.0f', appended + size))
redis.call('HSET', KEYS[3], 'last', ARGV[1], slot, ARGV[1] .. string.format(' %.0f ', first) .. time)
redis.call('PEXPIRE', KEYS[3], ARGV[7])
return {'appended', first, tonumber(time)}
`,
);
