-- The live generation and its number of partitions (one, where it began before there could be several); the first
-- generation is created where there is none.
-- KEYS: registry   ARGV: partitions
local live = redis.call('HGET', KEYS[1], 'live')
if live then
    return {live, redis.call('HGET', KEYS[1], 'partitions:' .. live) or '1'}
end
local generation = redis.call('HINCRBY', KEYS[1], 'highest', 1)
redis.call('HSET', KEYS[1], 'generation:' .. generation, 'open', 'partitions:' .. generation, ARGV[1], 'live', generation)
return {tostring(generation), ARGV[1]}
