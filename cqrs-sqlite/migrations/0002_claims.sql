-- This file never changes after landing.

-- The newest change of each unique key: which stream holds it (null: none, it was released), and by which event. An index of
-- what the events say in their metadata, written with them.
create table claims (
    key text primary key,
    stream text,
    position integer not null
) strict, without rowid;

-- Nobody can write a claim, or give one up, but as an event of the log says that is newer than what is known of the key. The
-- position is compared here too: "insert or replace" asks no other trigger.
create trigger claims_follow_events before insert on claims
when new.position <= (select position from claims where key = new.key)
  or not exists (select 1
                   from events e, json_each(e.metadata, iif(new.stream is null, '$.claims.released', '$.claims.taken')) said
                  where e.position = new.position and said.value = new.key and e.stream = coalesce(new.stream, e.stream))
begin
    select raise(rollback, 'claims follow from events: an insert is refused');
end;

create trigger claims_are_updated_by_events before update on claims
when new.key is not old.key
  or new.position <= old.position
  or not exists (select 1
                   from events e, json_each(e.metadata, iif(new.stream is null, '$.claims.released', '$.claims.taken')) said
                  where e.position = new.position and said.value = new.key and e.stream = coalesce(new.stream, e.stream))
begin
    select raise(rollback, 'claims follow from events: an update is refused');
end;

create trigger claims_are_not_deleted before delete on claims
begin
    select raise(abort, 'claims follow from events: a delete is refused');
end;
