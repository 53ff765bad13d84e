-- Writes documents and the checkpoint that they bring a partition to. Redis does not roll a script back when a command
-- in it fails: everything is checked before the first write.
-- KEYS: checkpoint, index, documents   ARGV: admitted, token, from, to, checkpoint, then key and value of each document
local checkpoint, index = KEYS[1], KEYS[2]

local stored = redis.call('HMGET', checkpoint, 'token', 'position', 'dropped')
if stored[3] then
    return {'dropped'}
end
if stored[1] then
    if tonumber(stored[1]) > tonumber(ARGV[2]) then
        return {'fenced', stored[1]}
    end
elseif ARGV[1] == '0' then
    return {'unknown'}
end

-- Positions are compared as text: a number of Lua keeps integers up to 2^53 only.
local position = stored[2] or '0'
if position ~= ARGV[3] then
    if position == ARGV[4] then
        return {'ok'}
    end
    return {'sequence', position}
end

local kind = redis.call('TYPE', index).ok
if kind ~= 'set' and kind ~= 'none' then
    return {'type', index, kind}
end
local exists = {}
for i = 3, #KEYS do
    kind = redis.call('TYPE', KEYS[i]).ok
    if kind ~= 'string' and kind ~= 'none' then
        return {'refused', ARGV[2 * i], kind}
    end
    exists[i] = kind == 'string'
end

-- Many at a time, which saves a fifth of the time. The stack of Lua takes 8,000 arguments at most.
local function slices(arguments, call)
    for from = 1, #arguments, 1000 do
        call(unpack(arguments, from, math.min(from + 999, #arguments)))
    end
end

local written, created, removed, forgotten = {}, {}, {}, {}
for i = 3, #KEYS do
    local key, value = ARGV[2 * i], ARGV[2 * i + 1]
    if value ~= '' then
        written[#written + 1] = KEYS[i]
        written[#written + 1] = value
        if not exists[i] then
            created[#created + 1] = key
        end
    elseif exists[i] then
        removed[#removed + 1] = KEYS[i]
        forgotten[#forgotten + 1] = key
    end
end
slices(created, function(...) redis.call('SADD', index, ...) end)
slices(written, function(...) redis.call('MSET', ...) end)
slices(removed, function(...) redis.call('UNLINK', ...) end)
slices(forgotten, function(...) redis.call('SREM', index, ...) end)
redis.call('HSET', checkpoint, 'token', ARGV[2], 'position', ARGV[4], 'checkpoint', ARGV[5])
return {'ok'}
