insert into checkpoints as stored (reader, store_id, position, event_id, generation, token)
values ($1, $2, $3, $4, $5, $6)
    on conflict (reader) do update
   set store_id = excluded.store_id,
       position = excluded.position,
       event_id = excluded.event_id,
       generation = excluded.generation,
       token = excluded.token
 where excluded.token >= stored.token and excluded.position >= stored.position
returning token
