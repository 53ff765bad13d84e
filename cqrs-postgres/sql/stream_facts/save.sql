insert into {schema}.stream_facts (stream, archived_position, archived_at, truncated_before)
values ($1, $2, $3, $4)
    on conflict (stream) do update
   set archived_position = excluded.archived_position,
       archived_at = excluded.archived_at,
       truncated_before = excluded.truncated_before
