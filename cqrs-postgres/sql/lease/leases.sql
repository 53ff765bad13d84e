select member, null::int as lease
  from {schema}.members
 where projection = $1 and until > clock_timestamp()
union all
select member, lease
  from {schema}.leases
 where projection = $1 and until > clock_timestamp()
