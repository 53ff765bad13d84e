-- Whether a position lies before another one. Compared as text: a number of Lua keeps integers up to 2^53 only. One that
-- is not known (empty) lies before all.
local function before(one, other)
    return #one < #other or (#one == #other and one < other)
end
