update leases
   set until = cast(unixepoch('subsec') * 1000 as integer) + $3
 where projection = $1 and member = $2 and until > cast(unixepoch('subsec') * 1000 as integer)
returning lease
