-- {schema} is replaced by the schema's name. This file never changes after landing.

-- The tags of the events that have any: an index of what the events say in their metadata, written with them under the
-- append lock. Tags that no query can name are left out.
create table {schema}.event_tags (
    tag text collate "C" not null check (octet_length(tag) between 1 and 255),
    position bigint not null,
    event_type text collate "C" not null,
    constraint event_tags_key primary key (tag, position) include (event_type)
);

-- The tags in metadata, each once, in no order.
create function {schema}.tags_of(metadata json) returns table (tag text)
language sql
immutable
as $tags_of$
    select distinct said.value
      from json_array_elements_text(case json_typeof(metadata -> 'tags') when 'array' then metadata -> 'tags' else '[]' end)
           as said (value)
     where octet_length(said.value) between 1 and 255
$tags_of$;

-- Everything that was written before is tagged while appends go on; they wait only for the last of it.
do $backfill$
declare
    known bigint := coalesce((select max(position) from {schema}.events), 0);
begin
    insert into {schema}.event_tags (tag, position, event_type)
    select tagged.tag, e.position, e.event_type
      from {schema}.events e
     cross join lateral {schema}.tags_of(e.metadata) tagged
     where e.metadata::text like '%"tags"%' and e.position <= known;
    perform pg_advisory_xact_lock(hashtextextended('cqrs:{schema}', 0));
    insert into {schema}.event_tags (tag, position, event_type)
    select tagged.tag, e.position, e.event_type
      from {schema}.events e
     cross join lateral {schema}.tags_of(e.metadata) tagged
     where e.metadata::text like '%"tags"%' and e.position > known;
end
$backfill$;

-- Who reads events finds them by tag, and who writes events tags them.
do $grant$
declare
    one record;
begin
    for one in
        select case grantee when 0 then 'public' else grantee::regrole::text end as role, privilege_type as privilege
          from pg_class, aclexplode(relacl)
         where oid = '{schema}.events'::regclass and privilege_type in ('SELECT', 'INSERT')
    loop
        execute format('grant %s on {schema}.event_tags to %s', one.privilege, one.role);
    end loop;
end
$grant$;

-- The positions of events that match an item of a query, {"types": [], "tags": []}, ascending: of any of the types and with
-- all of the tags, where any are named. They lie after one position and up to another; at most so many are given.
create function {schema}.matching_events(item json, after bigint, until bigint, most bigint) returns setof bigint
language plpgsql
stable
set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $matching_events$
declare
    types text[] := array(select json_array_elements_text(item -> 'types'));
    tags text[] := array(select json_array_elements_text(item -> 'tags'));
    rarest text := tags[1];
    fewest bigint;
    counted_to bigint := 100;
begin
    if cardinality(tags) > 0 then
        -- The tag with the fewest events leads. No tag is counted far beyond what the rarest one has.
        while cardinality(tags) > 1 and coalesce(fewest = counted_to / 10, true) loop
            select wanted.tag, counted.events
              into rarest, fewest
              from unnest(tags) as wanted (tag)
             cross join lateral (
                    select count(*) as events
                      from (select from {schema}.event_tags t
                             where t.tag = wanted.tag and t.position > after and t.position <= until
                             limit counted_to) few
                   ) counted
             order by counted.events
             limit 1;
            counted_to := counted_to * 10;
        end loop;
        -- A subquery with a limit stays what it is: it is asked for each candidate.
        return query
        select t.position
          from {schema}.event_tags t
         where t.tag = rarest and t.position > after and t.position <= until
           and (cardinality(types) = 0 or t.event_type = any(types))
           and (cardinality(tags) = 1
                or (select count(*)
                      from unnest(tags) as wanted (tag)
                     cross join lateral (
                            select from {schema}.event_tags o
                             where o.tag = wanted.tag and o.position = t.position
                             limit 1
                           ) has) = cardinality(tags))
         order by t.position
         limit most;
    elsif cardinality(types) > 0 then
        return query
        select distinct same_type.position
          from unnest(types) as wanted (event_type)
         cross join lateral (
                select e.position
                  from {schema}.events e
                 where e.event_type = wanted.event_type and e.position > after and e.position <= until
                 order by e.position
                 limit most
               ) same_type
         order by same_type.position
         limit most;
    else
        return query
        select e.position
          from {schema}.events e
         where e.position > after and e.position <= until
         order by e.position
         limit most;
    end if;
end
$matching_events$;

-- As append_events, which calls it. The group's tags come with the number of the event that each belongs to, from 1. Nothing
-- is written, and accepted is false, when an event in the log matches one of the items after its position.
create function {schema}.append_tagged(
    streams text[],
    lowest bigint[],
    highest bigint[],
    event_ids uuid[],
    event_streams text[],
    stream_indexes int[],
    version_offsets bigint[],
    event_types text[],
    occurred timestamptz[],
    payloads text[],
    metadatas text[],
    tags text[],
    tagged_events int[],
    items text[],
    item_afters bigint[],
    out accepted boolean,
    out first_position bigint,
    out recorded timestamptz,
    out heads bigint[]
)
language plpgsql
volatile
set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $append_tagged$
declare
    last_position bigint;
    last_recorded timestamptz;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'append_tagged runs under read committed only' using errcode = 'invalid_transaction_state';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('cqrs:{schema}', 0));

    select array_agg(coalesce(head.version, 0) order by wanted.ordinality),
           bool_and(coalesce(head.version, 0) between wanted.lowest and wanted.highest)
               and not exists (
                   select
                     from {schema}.stream_facts facts
                    where facts.stream = any(event_streams) and facts.archived_position is not null
               )
      into heads, accepted
      from unnest(streams, append_tagged.lowest, append_tagged.highest) with ordinality as wanted (stream, lowest, highest, ordinality)
      left join lateral (
            select e.version
              from {schema}.events e
             where e.stream = wanted.stream and e.version >= wanted.lowest
             order by e.version desc
             limit 1
           ) head on true;
    if not accepted then
        return;
    end if;

    if cardinality(items) > 0 then
        -- Most items name a tag that nothing new has: they need no closer look.
        with possible as materialized (
            select item::json as item, after
              from unnest(items, item_afters) as wanted (item, after)
             where not exists (
                   select
                     from json_array_elements_text(wanted.item::json -> 'tags') as named (tag)
                    where coalesce((select t.position
                                      from {schema}.event_tags t
                                     where t.tag = named.tag
                                     order by t.position desc
                                     limit 1), 0) <= wanted.after)
        )
        select not exists (
               select
                 from possible
                cross join lateral {schema}.matching_events(possible.item, possible.after, 9223372036854775807, 1))
          into accepted;
        if not accepted then
            return;
        end if;
    end if;

    select e.position, e.recorded_at
      into last_position, last_recorded
      from {schema}.events e
     order by e.position desc
     limit 1;
    first_position := coalesce(last_position, 0) + 1;
    recorded := greatest(clock_timestamp(), last_recorded + interval '1 microsecond');

    perform set_config('cqrs.appending', '{schema} with tags', true);
    insert into {schema}.events
           (position, version, recorded_at, occurred_at, event_id, stream, event_type, payload, metadata)
    select first_position + new.ordinality - 1, heads[new.stream_index] + new.version_offset, recorded, new.occurred_at,
           new.event_id, new.stream, new.event_type, new.payload::json, new.metadata::json
      from unnest(event_ids, event_streams, stream_indexes, version_offsets, event_types, occurred, payloads, metadatas)
           with ordinality as new (event_id, stream, stream_index, version_offset, event_type, occurred_at, payload,
                                   metadata, ordinality);
    if cardinality(tags) > 0 then
        insert into {schema}.event_tags (tag, position, event_type)
        select tagged.tag, first_position + tagged.event - 1, event_types[tagged.event]
          from unnest(append_tagged.tags, tagged_events) as tagged (tag, event);
    end if;
    perform set_config('cqrs.appending', '', true);
    perform pg_notify('cqrs_{schema}', (first_position + cardinality(event_ids) - 1)::text);
end
$append_tagged$;

-- What processes of an older version call, which know no tags.
create or replace function {schema}.append_events(
    streams text[],
    lowest bigint[],
    highest bigint[],
    event_ids uuid[],
    event_streams text[],
    stream_indexes int[],
    version_offsets bigint[],
    event_types text[],
    occurred timestamptz[],
    payloads text[],
    metadatas text[],
    out accepted boolean,
    out first_position bigint,
    out recorded timestamptz,
    out heads bigint[]
)
language plpgsql
volatile
set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $append_events$
declare
    tags text[];
    tagged_events int[];
begin
    select coalesce(array_agg(tagged.tag), '{}'), coalesce(array_agg(new.ordinality::int), '{}')
      into tags, tagged_events
      from unnest(metadatas) with ordinality as new (metadata, ordinality)
     cross join lateral {schema}.tags_of(new.metadata::json) tagged;
    select appended.accepted, appended.first_position, appended.recorded, appended.heads
      into accepted, first_position, recorded, heads
      from {schema}.append_tagged(streams, lowest, highest, event_ids, event_streams, stream_indexes, version_offsets,
                                  event_types, occurred, payloads, metadatas, tags, tagged_events, '{}', '{}') appended;
end
$append_events$;

-- Whoever writes events has to tag them. An append of an older version that was under way when this was migrated, and an
-- import, are refused: sent again, the append calls what stands above.
create or replace function {schema}.require_append_events() returns trigger
language plpgsql
as $require_append_events$
begin
    case coalesce(current_setting('cqrs.appending', true), '')
        when '{schema} with tags' then
            return null;
        when '{schema}' then
            raise exception 'an older version writes events without their tags' using errcode = 'serialization_failure';
        else
            raise exception 'events are written by append_events only: a plain insert would break their order'
                  using errcode = 'insufficient_privilege';
    end case;
end
$require_append_events$;

create trigger append_only
before update or delete or truncate on {schema}.event_tags
for each statement execute function {schema}.refuse_change();

create trigger tagged_with_events
before insert on {schema}.event_tags
for each statement execute function {schema}.require_append_events();
