-- This file never changes after landing.

-- The tags of the events that have any: an index of what the events say in their metadata.
create table event_tags (
    tag text not null,
    position integer not null,
    event_type text not null,
    primary key (tag, position)
) strict, without rowid;

insert into event_tags (tag, position, event_type)
select distinct said.value, events.position, events.event_type
  from events, json_each(events.metadata, '$.tags') said
 where said.type = 'text';

-- Whoever inserts an event tags it, a process of an older version among them.
create trigger events_are_tagged after insert on events
when json_type(new.metadata, '$.tags') = 'array'
begin
    insert into event_tags (tag, position, event_type)
    select distinct said.value, new.position, new.event_type
      from json_each(new.metadata, '$.tags') said
     where said.type = 'text';
end;

create trigger tags_follow_events before insert on event_tags
when not exists (select 1
                   from events e, json_each(e.metadata, '$.tags') said
                  where e.position = new.position and e.event_type = new.event_type and said.value = new.tag)
begin
    select raise(rollback, 'tags follow from events: an insert is refused');
end;

create trigger event_tags_are_not_updated before update on event_tags
begin
    select raise(abort, 'tags follow from events: an update is refused');
end;

create trigger event_tags_are_not_deleted before delete on event_tags
begin
    select raise(abort, 'tags follow from events: a delete is refused');
end;
