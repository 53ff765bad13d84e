-- Many arguments at a time, which saves a fifth of the time. The stack of Lua takes 8,000 at most.
local function slices(arguments, call)
    for from = 1, #arguments, 1000 do
        call(unpack(arguments, from, math.min(from + 999, #arguments)))
    end
end
