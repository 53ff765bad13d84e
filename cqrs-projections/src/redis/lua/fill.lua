-- Stores what was loaded under a lease, unless it is stale: the lease was taken away meanwhile, or what was loaded does not
-- reflect an event by which it was invalidated.
-- KEYS: value, lease, floor   ARGV: token, value (empty: only the lease is given back), milliseconds, position
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
    return 'lost'
end
local floor = redis.call('GET', KEYS[3])
if floor and before(ARGV[4], floor) then
    redis.call('DEL', KEYS[2])
    return 'behind'
end
if ARGV[2] ~= '' then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
redis.call('DEL', KEYS[2])
if floor and ARGV[4] ~= '' then
    redis.call('DEL', KEYS[3])
end
return 'ok'
