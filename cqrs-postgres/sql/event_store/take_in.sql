insert into {schema}.events
       (position, version, recorded_at, occurred_at, event_id, stream, event_type, payload, metadata)
select position, version, recorded_at, occurred_at, event_id, stream, event_type,
       convert_from(payload, 'UTF8')::json, convert_from(metadata, 'UTF8')::json
  from pg_temp.cqrs_import
 order by position
