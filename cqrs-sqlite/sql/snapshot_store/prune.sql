delete from snapshots
 where stream = $1 and state_version = $2 and fingerprint = $3
   and version <= (select version
                     from snapshots
                    where stream = $1 and state_version = $2 and fingerprint = $3
                    order by version desc
                    limit 1 offset $4)
returning version
