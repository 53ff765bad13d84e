delete from leases
 where projection = $1 and lease = $2 and member = $3
