select member, null as lease
  from members
 where projection = $1 and until > cast(unixepoch('subsec') * 1000 as integer)
union all
select member, lease
  from leases
 where projection = $1 and until > cast(unixepoch('subsec') * 1000 as integer)
