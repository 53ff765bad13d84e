-- Key, holder or nothing, and position of each change; then the events and their claims are committed.
insert or rollback into claims (key, stream, position)
select value ->> 0, value ->> 1, value ->> 2 from json_each($1) where true
    on conflict (key) do update set stream = excluded.stream, position = excluded.position;

commit
