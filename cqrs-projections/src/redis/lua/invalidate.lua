-- Forgets a value. By an event: what reflects it stays, and what does not cannot be stored any more. Without one: whoever
-- loads just now cannot store it.
-- KEYS: value, lease, floor   ARGV: position (empty: none), milliseconds
if ARGV[1] == '' then
    redis.call('DEL', KEYS[1], KEYS[2])
    return 'ok'
end
local floor = redis.call('GET', KEYS[3])
if floor and not before(floor, ARGV[1]) then
    return 'ok'
end
local value = redis.call('GET', KEYS[1])
local reflects = value and string.match(value, '^{"position":(%d+)')
if reflects and not before(reflects, ARGV[1]) then
    return 'ok'
end
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return 'ok'
