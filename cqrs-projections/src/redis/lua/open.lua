-- The live generation; the first one is created where there is none.
-- KEYS: registry
local live = redis.call('HGET', KEYS[1], 'live')
if live then
    return live
end
local generation = redis.call('HINCRBY', KEYS[1], 'highest', 1)
redis.call('HSET', KEYS[1], 'generation:' .. generation, 'open', 'live', generation)
return tostring(generation)
