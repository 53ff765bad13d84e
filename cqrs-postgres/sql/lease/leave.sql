with released as (
    delete from {schema}.leases
     where projection = $1 and member = $2
)
delete from {schema}.members
 where projection = $1 and member = $2
