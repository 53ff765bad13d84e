insert into {schema}.event_tags (tag, position, event_type)
select tagged.tag, imported.position, imported.event_type
  from pg_temp.cqrs_import imported
 cross join lateral {schema}.tags_of(convert_from(imported.metadata, 'UTF8')::json) tagged
