-- Writes documents and the checkpoint that they bring a partition to. Redis does not roll a script back when a command
-- in it fails: everything is checked before the first write.
-- KEYS: checkpoint, index, documents   ARGV: admitted, token, from, to, checkpoint, tag, derives, then of each document key
-- and value, and where it derives what the document contributes and its hash
local checkpoint, index, tag, derives = KEYS[1], KEYS[2], ARGV[6], ARGV[7] == '1'
local each = derives and 4 or 2

local stored = redis.call('HMGET', checkpoint, 'token', 'position', 'dropped', 'derives')
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
local documents, exists = {}, {}
for i = 3, #KEYS do
    local first = 8 + (i - 3) * each
    local document = {key = ARGV[first], value = ARGV[first + 1], after = '', hash = ''}
    if derives then
        document.after, document.hash = ARGV[first + 2], ARGV[first + 3]
    end
    documents[i - 2] = document
    kind = redis.call('TYPE', KEYS[i]).ok
    if kind ~= 'string' and kind ~= 'none' then
        return {'refused', document.key, kind}
    end
    exists[i] = kind == 'string'
end

-- Where nothing was ever derived there is nothing to be taken back.
local commands = {}
if derives or stored[4] then
    local refusal
    refusal, commands = derive(tag, documents)
    if refusal then
        return refusal
    end
end

local written, created, removed, forgotten = {}, {}, {}, {}
for i = 3, #KEYS do
    local key, value = documents[i - 2].key, documents[i - 2].value
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
for _, command in ipairs(commands) do
    redis.call(unpack(command))
end
redis.call('HSET', checkpoint, 'token', ARGV[2], 'position', ARGV[4], 'checkpoint', ARGV[5])
if derives and not stored[4] then
    redis.call('HSET', checkpoint, 'derives', '1')
end
return {'ok'}
