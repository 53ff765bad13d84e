-- Closes a generation for good and tells its partitions, whose keys lie in other slots. It is forgotten only after they
-- are gone, so that dropping it again goes on where a crash stopped it.
-- KEYS: registry   ARGV: generation
if redis.call('HGET', KEYS[1], 'live') == ARGV[1] then
    return {'live'}
end
local generation = 'generation:' .. ARGV[1]
if redis.call('HEXISTS', KEYS[1], generation) == 0 then
    return {'unknown'}
end
redis.call('HSET', KEYS[1], generation, 'dropping')
local reply = {'ok'}
local partition = 'partition:' .. ARGV[1] .. ':'
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, #partition) == partition then
        reply[#reply + 1] = string.sub(field, #partition + 1)
    end
end
return reply
