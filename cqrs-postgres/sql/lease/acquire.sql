insert into {schema}.leases as held (projection, lease, member, until)
values ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')
    on conflict (projection, lease) do update
   set member = excluded.member,
       until = excluded.until
 where held.member = excluded.member or held.until <= clock_timestamp()
