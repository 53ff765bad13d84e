insert into {schema}.claims (key, stream, position)
select key, stream, position from unnest($1::text[], $2::text[], $3::bigint[]) as changed (key, stream, position)
    on conflict (key) do update set stream = excluded.stream, position = excluded.position
