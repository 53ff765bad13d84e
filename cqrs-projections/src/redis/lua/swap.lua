-- Makes a generation the live one.
-- KEYS: registry   ARGV: generation
if redis.call('HGET', KEYS[1], 'generation:' .. ARGV[1]) ~= 'open' then
    return {'unknown'}
end
redis.call('HSET', KEYS[1], 'live', ARGV[1])
return {'ok'}
