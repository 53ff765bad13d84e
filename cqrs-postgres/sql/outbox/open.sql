-- The first messages of each lane, up to so many bytes in all; the first one always.
select lane, sequence, message_id, topic, keyed, payload, headers, status = 'parked', attempts, failing_for
  from (select wanted.ordinality, message.*,
               (extract(epoch from clock_timestamp() - message.failing_since) * 1000000)::bigint as failing_for,
               sum(octet_length(message.payload)) over (order by wanted.ordinality, message.sequence)
               - octet_length(message.payload) as bytes_before
          from unnest($1::text[]) with ordinality as wanted (lane, ordinality)
         cross join lateral (
                select * from {schema}.outbox
                 where lane = wanted.lane and status in ('pending', 'parked')
                 order by sequence
                 limit $2
               ) message) found
 where bytes_before < $3
 order by ordinality, sequence
