-- Keeps a note with a generation that is not being dropped.
-- KEYS: registry   ARGV: generation, note
if redis.call('HGET', KEYS[1], 'generation:' .. ARGV[1]) ~= 'open' then
    return {'unknown'}
end
redis.call('HSET', KEYS[1], 'note:' .. ARGV[1], ARGV[2])
return {'ok'}
