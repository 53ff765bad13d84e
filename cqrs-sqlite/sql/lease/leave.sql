delete from members
 where projection = $1 and member = $2
