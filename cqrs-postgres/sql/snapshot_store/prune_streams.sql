delete from {schema}.snapshots old
 where old.stream > $1 and old.stream <= $2
   and (old.state_version <> $3 or old.fingerprint <> $4
        or old.version <= (select version
                             from {schema}.snapshots
                            where stream = old.stream and state_version = $3 and fingerprint = $4
                            order by version desc
                           offset $5
                            limit 1))
