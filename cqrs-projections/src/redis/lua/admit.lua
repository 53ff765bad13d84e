-- Notes that a generation has a partition, before the partition's slot gets its first key: what is dropped later is
-- what was noted here. A generation that is being dropped admits none.
-- KEYS: registry   ARGV: generation, partition
if redis.call('HGET', KEYS[1], 'generation:' .. ARGV[1]) ~= 'open' then
    return {'unknown'}
end
redis.call('HSET', KEYS[1], 'partition:' .. ARGV[1] .. ':' .. ARGV[2], '')
return {'ok'}
