delete from leases
 where projection = $1 and member = $2
