-- The statements of append_events are planned once per session. Planned anew for each group, as PostgreSQL would by itself
-- because the arrays' lengths differ, planning takes longer than the work of a small group. They hold their plans also in a
-- caller's own session, where the planner might collect a young table and sort it.
alter function {schema}.append_events(text[], bigint[], bigint[], uuid[], text[], int[], bigint[], text[], timestamptz[], text[], text[])
    set plan_cache_mode = 'force_generic_plan'
    set enable_seqscan = off
    set enable_bitmapscan = off
    set jit = off;
