-- What documents contribute to sets, leaderboards, counters and hashes: `derive` reads and checks everything, and gives
-- back a refusal, or nothing and the commands that write.
--
-- Within the commands no key is written again that an earlier one may have emptied, and all keys were read before: while
-- a cluster moves their slot away, Redis refuses every command on a key that is missing, and a refusal in between would
-- tear the batch.

local MOST = 9007199254740991 -- integers are exact up to here
local TYPES = {set = 'set', leaderboard = 'zset', counter = 'string'}

local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A moment as it is written: nothing means never.
local function moment(text)
    if not text or text == '' or text == 'inf' then
        return math.huge
    end
    return tonumber(text)
end

-- The type of a key when it is neither the wanted one nor none.
local function foreign(key, wanted)
    local kind = redis.call('TYPE', key).ok
    return kind ~= wanted and kind ~= 'none' and kind or nil
end

-- What is in one list of contributions and not in the other, sorted by structure.
local function differences(documents)
    local structures, order = {}, {}
    local function change(document, contribution, list)
        local id, member = contribution[1], contribution[2]
        local structure = structures[id]
        if not structure then
            structure = {id = id, kind = string.match(id, '^%a+'), members = {}, order = {}}
            structures[id] = structure
            order[#order + 1] = structure
        end
        if not structure.members[member] then
            structure.members[member] = {removed = {}, added = {}}
            structure.order[#structure.order + 1] = member
        end
        local values = structure.members[member][list]
        values[#values + 1] = contribution[3]
        if list == 'added' then
            local ends = moment(contribution[4])
            if structure.ends and structure.ends ~= ends then
                structure.disputed = true
            end
            structure.ends, structure.by = ends, document.key
        else
            structure.ended = moment(contribution[4])
        end
    end
    for _, document in ipairs(documents) do
        local before = document.before ~= '' and cjson.decode(document.before) or {}
        local after = document.after ~= '' and cjson.decode(document.after) or {}
        local kept = {}
        for _, contribution in ipairs(after) do
            local form = table.concat(contribution, '\0')
            kept[form] = (kept[form] or 0) + 1
        end
        for _, contribution in ipairs(before) do
            local form = table.concat(contribution, '\0')
            if (kept[form] or 0) > 0 then
                kept[form] = kept[form] - 1
            else
                change(document, contribution, 'removed')
            end
        end
        for _, contribution in ipairs(after) do
            local form = table.concat(contribution, '\0')
            if kept[form] > 0 then
                kept[form] = kept[form] - 1
                change(document, contribution, 'added')
            end
        end
    end
    return order
end

local function counter(key, structure, commands)
    local stored = redis.call('GET', key) or '0'
    local total = tonumber(stored)
    if not total then
        return {'type', key, 'text'}
    end
    for _, change in pairs(structure.members) do
        for list, sign in pairs({removed = -1, added = 1}) do
            for _, value in ipairs(change[list]) do
                total = total + sign * tonumber(value)
                if math.abs(total) > MOST then
                    return {'derived', structure.by or '', 'the counter ' .. structure.id .. ' would be too large'}
                end
            end
        end
    end
    -- A counter that is 0 has no key.
    structure.before, structure.after = tonumber(stored) ~= 0, total ~= 0
    if structure.after then
        commands[#commands + 1] = {'SET', key, string.format('%.0f', total)}
        structure.touched = {key}
    elseif structure.before then
        structure.last = {'UNLINK', key}
    end
end

-- How often a member is named: in a set as a number, in a leaderboard as the list of its scores.
local function named(key, structure, member, shared)
    if structure.kind == 'set' then
        return tonumber(shared or redis.call('SISMEMBER', key, member))
    elseif shared then
        return cjson.decode(shared)
    end
    local score = redis.call('ZSCORE', key, member)
    return score and {score} or {}
end

local function best(scores)
    local highest
    for _, score in ipairs(scores) do
        if not highest or tonumber(score) > tonumber(highest) then
            highest = score
        end
    end
    return highest
end

local function members(key, shares, structure, commands)
    local is_set = structure.kind == 'set'
    local shared = {}
    slices(structure.order, function(...)
        for _, value in ipairs(redis.call('HMGET', shares, ...)) do
            shared[#shared + 1] = value
        end
    end)
    local put, gone, share, unshare, count = {}, {}, {}, {}, 0
    for at, member in ipairs(structure.order) do
        local change = structure.members[member]
        local was, how_often, many = named(key, structure, member, shared[at]), nil, nil
        if is_set then
            how_often = math.max(was - #change.removed, 0) + #change.added
            many = tostring(how_often)
            if was == 0 and how_often > 0 then
                put[#put + 1] = member
            end
        else
            local scores = {}
            for _, score in ipairs(was) do
                local removed
                for place, value in ipairs(change.removed) do
                    if tonumber(value) == tonumber(score) then
                        removed = place
                    end
                end
                if removed then
                    table.remove(change.removed, removed)
                else
                    scores[#scores + 1] = score
                end
            end
            for _, score in ipairs(change.added) do
                scores[#scores + 1] = score
            end
            was, how_often, many = #was, #scores, #scores > 1 and cjson.encode(scores)
            if how_often > 0 then
                put[#put + 1] = best(scores)
                put[#put + 1] = member
            end
        end
        if how_often == 0 and was > 0 then
            gone[#gone + 1] = member
            count = count - 1
        elseif how_often > 0 and was == 0 then
            count = count + 1
        end
        if how_often > 1 then
            share[#share + 1] = member
            share[#share + 1] = many
        elseif shared[at] then
            unshare[#unshare + 1] = member
        end
    end
    local before = redis.call(is_set and 'SCARD' or 'ZCARD', key)
    structure.before, structure.after = before > 0, before + count > 0
    structure.touched = {}
    slices(put, function(...) commands[#commands + 1] = {is_set and 'SADD' or 'ZADD', key, ...} end)
    slices(gone, function(...) commands[#commands + 1] = {is_set and 'SREM' or 'ZREM', key, ...} end)
    slices(share, function(...) commands[#commands + 1] = {'HSET', shares, ...} end)
    slices(unshare, function(...) commands[#commands + 1] = {'HDEL', shares, ...} end)
    if #put > 0 and structure.after then
        structure.touched[1] = key
    end
    if #share > 0 then
        structure.touched[#structure.touched + 1] = shares
    end
end

local function hash(tag, document, commands, lasts)
    local key = tag .. ':hash:' .. document.key
    local kind = foreign(key, 'hash')
    if kind then
        return {'derived', document.key, 'the Redis key of its hash holds a ' .. kind}
    end
    local fields = document.hash ~= '' and cjson.decode(document.hash) or {}
    if #fields == 0 then
        if redis.call('HLEN', key) > 0 then
            lasts[#lasts + 1] = {'UNLINK', key}
        end
        return
    end
    local ends, kept, surplus = table.remove(fields, 1), {}, {}
    for at = 1, #fields, 2 do
        kept[fields[at]] = true
    end
    for _, field in ipairs(redis.call('HKEYS', key)) do
        if not kept[field] then
            surplus[#surplus + 1] = field
        end
    end
    slices(fields, function(...) commands[#commands + 1] = {'HSET', key, ...} end)
    slices(surplus, function(...) commands[#commands + 1] = {'HDEL', key, ...} end)
    lasts[#lasts + 1] = ends ~= '' and {'PEXPIREAT', key, ends} or {'PERSIST', key}
end

-- Each document has `key`, and what it contributes `after` the batch with its `hash`.
local function derive(tag, documents)
    local derived, index = tag .. ':derived', tag .. ':structures'
    local kind = foreign(derived, 'hash')
    if kind then
        return {'type', derived, kind}
    end
    kind = foreign(index, 'zset')
    if kind then
        return {'type', index, kind}
    end

    local commands, lasts, changed = {}, {}, {}
    local noted, forgotten, at = {}, {}, 0
    local keys = {}
    for place, document in ipairs(documents) do
        keys[place] = document.key
    end
    slices(keys, function(...)
        for _, stored in ipairs(redis.call('HMGET', derived, ...)) do
            at = at + 1
            local document = documents[at]
            local had_hash = stored and string.sub(stored, 1, 1) == 'h'
            document.before = stored and string.sub(stored, 2) or ''
            local after = (document.hash ~= '' and 'h' or '-') .. document.after
            if after == '-' then
                if stored then
                    forgotten[#forgotten + 1] = document.key
                end
            elseif after ~= stored then
                noted[#noted + 1] = document.key
                noted[#noted + 1] = after
            end
            if document.before ~= document.after then
                changed[#changed + 1] = document
            end
            document.has_hash = had_hash or document.hash ~= ''
        end
    end)

    for _, document in ipairs(documents) do
        local refusal = document.has_hash and hash(tag, document, commands, lasts)
        if refusal then
            return refusal
        end
    end

    local now = clock()
    local opened, closed = {}, {}
    local ended = redis.call('ZRANGEBYSCORE', index, '-inf', string.format('%.0f', now), 'LIMIT', 0, 100)
    for _, structure in ipairs(differences(documents)) do
        local key, shares = tag .. ':' .. structure.id, tag .. ':shared:' .. structure.id
        local stored = redis.call('ZSCORE', index, structure.id)
        local ends = stored and moment(stored) or structure.ends or structure.ended
        if structure.disputed or (structure.ends and ends ~= structure.ends) then
            return {'derived', structure.by, structure.id .. ' ends at another moment for another document'}
        end
        -- What has ended is gone for good.
        if ends > now then
            kind = foreign(key, TYPES[structure.kind])
            if kind then
                return {'type', key, kind}
            end
            local refusal
            if structure.kind == 'counter' then
                refusal = counter(key, structure, commands)
            else
                kind = foreign(shares, 'hash')
                refusal = kind and {'type', shares, kind} or members(key, shares, structure, commands)
            end
            if refusal then
                return refusal
            end
            if ends < math.huge then
                for _, touched in ipairs(structure.touched or {}) do
                    lasts[#lasts + 1] = {'PEXPIREAT', touched, string.format('%.0f', ends)}
                end
            end
            lasts[#lasts + 1] = structure.last
            if structure.after and not stored then
                opened[#opened + 1] = ends < math.huge and string.format('%.0f', ends) or '+inf'
                opened[#opened + 1] = structure.id
            elseif stored and not structure.after then
                closed[#closed + 1] = structure.id
            end
        end
    end

    slices(opened, function(...) commands[#commands + 1] = {'ZADD', index, ...} end)
    slices(closed, function(...) commands[#commands + 1] = {'ZREM', index, ...} end)
    slices(ended, function(...) commands[#commands + 1] = {'ZREM', index, ...} end)
    slices(noted, function(...) commands[#commands + 1] = {'HSET', derived, ...} end)
    slices(forgotten, function(...) commands[#commands + 1] = {'HDEL', derived, ...} end)
    for _, last in ipairs(lasts) do
        commands[#commands + 1] = last
    end
    return nil, commands
end
