insert into members (projection, member, until)
values ($1, $2, cast(unixepoch('subsec') * 1000 as integer) + $3)
    on conflict (projection, member) do update set until = excluded.until
