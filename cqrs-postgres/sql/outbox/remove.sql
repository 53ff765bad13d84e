delete from {schema}.outbox
 where sequence in (
        select sequence from {schema}.outbox
         where settled_at <= statement_timestamp() - $1 * interval '1 microsecond'
         order by settled_at
         limit $2)
