-- A new generation above all that ever were: `highest` only grows, so that no number is used twice.
-- KEYS: registry   ARGV: partitions
local generation = redis.call('HINCRBY', KEYS[1], 'highest', 1)
redis.call('HSET', KEYS[1], 'generation:' .. generation, 'open', 'partitions:' .. generation, ARGV[1])
return tostring(generation)
