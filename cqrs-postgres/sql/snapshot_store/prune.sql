delete from {schema}.snapshots
 where stream = $1 and state_version = $2 and fingerprint = $3
   and version <= (select version
                     from {schema}.snapshots
                    where stream = $1 and state_version = $2 and fingerprint = $3
                    order by version desc
                   offset $4
                    limit 1)
