with announced as (
    insert into {schema}.members (projection, member, until)
    values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
        on conflict (projection, member) do update set until = excluded.until
), renewed as (
    update {schema}.leases
       set until = clock_timestamp() + $3 * interval '1 millisecond'
     where projection = $1 and member = $2 and until > clock_timestamp()
 returning lease
), forgotten as (
    -- Long after their time, so that two heartbeats never forget each other.
    delete from {schema}.members
     where projection = $1 and until < clock_timestamp() - interval '1 day'
)
select $2::text as member, null::int as lease
union all
select member, null
  from {schema}.members
 where projection = $1 and member <> $2 and until > clock_timestamp()
union all
select $2::text, lease
  from renewed
union all
select member, lease
  from {schema}.leases
 where projection = $1 and member <> $2 and until > clock_timestamp()
