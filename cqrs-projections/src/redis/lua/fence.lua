-- Takes a partition over: compare and set of the token.
-- KEYS: checkpoint   ARGV: admitted, token
local stored = redis.call('HMGET', KEYS[1], 'token', 'checkpoint', 'dropped')
if stored[3] then
    return {'dropped'}
end
if stored[1] then
    if tonumber(stored[1]) >= tonumber(ARGV[2]) then
        return {'fenced', stored[1]}
    end
elseif ARGV[1] == '0' then
    return {'unknown'}
end
redis.call('HSET', KEYS[1], 'token', ARGV[2])
return {'ok', stored[2] or ''}
