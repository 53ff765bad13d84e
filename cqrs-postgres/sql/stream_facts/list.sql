select archived_position, archived_at, truncated_before, stream
  from {schema}.stream_facts
 where stream > $1
 order by stream
 limit $2
