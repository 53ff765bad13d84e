-- The live generation and its number of partitions: one, where it began before there could be several.
-- KEYS: registry
local live = redis.call('HGET', KEYS[1], 'live')
if not live then
    return {}
end
return {live, redis.call('HGET', KEYS[1], 'partitions:' .. live) or '1'}
