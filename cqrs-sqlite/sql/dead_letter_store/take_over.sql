insert into dead_letter_owners as stored (projection, generation, partition, token)
values ($1, $2, $3, $4)
    on conflict (projection, generation, partition) do update
   set token = max(stored.token, excluded.token)
