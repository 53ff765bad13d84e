delete from snapshots as old
 where old.stream > $1 and old.stream <= $2
   and (old.state_version <> $3 or old.fingerprint <> $4
        or old.version <= (select version
                             from snapshots
                            where stream = old.stream and state_version = $3 and fingerprint = $4
                            order by version desc
                            limit 1 offset $5))
returning version
