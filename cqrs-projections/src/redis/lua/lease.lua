-- The value, or else the lease that allows to fill it, unless another one has it.
-- KEYS: value, lease   ARGV: token, milliseconds
local value = redis.call('GET', KEYS[1])
if value then
    return {'hit', value}
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
    return {'granted', ''}
end
return {'busy', ''}
