insert into leases as held (projection, lease, member, until)
values ($1, $2, $3, cast(unixepoch('subsec') * 1000 as integer) + $4)
    on conflict (projection, lease) do update
   set member = excluded.member,
       until = excluded.until
 where held.member = excluded.member or held.until <= cast(unixepoch('subsec') * 1000 as integer)
returning lease
