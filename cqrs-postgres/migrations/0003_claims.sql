-- {schema} is replaced by the schema's name. This file never changes after landing.

-- The newest change of each unique key: which stream holds it (null: none, it was released), and by which event. An index of
-- what the events say in their metadata, written with them under the append lock.
create table {schema}.claims (
    key text collate "C" not null,
    stream text collate "C",
    position bigint not null,
    constraint claims_key primary key (key)
);

-- Nobody can write a claim, or give one up, but as an event of the log says that is newer than what is known of the key.
create function {schema}.require_claiming_event() returns trigger
language plpgsql
as $require_claiming_event$
begin
    if tg_op = 'INSERT' or (new.key = old.key and new.position > old.position) then
        perform from {schema}.events e
          where e.position = new.position
            and case when new.stream is null then (e.metadata #> '{claims,released}')::jsonb ? new.key
                     else e.stream = new.stream and (e.metadata #> '{claims,taken}')::jsonb ? new.key end;
        if found then
            return new;
        end if;
    end if;
    raise exception 'claims follow from events: % of % is refused', lower(tg_op), new.key
          using errcode = 'insufficient_privilege';
end
$require_claiming_event$;

create trigger claimed_by_an_event
before insert or update on {schema}.claims
for each row execute function {schema}.require_claiming_event();

create function {schema}.refuse_forgetting() returns trigger
language plpgsql
as $refuse_forgetting$
begin
    raise exception 'claims follow from events: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$refuse_forgetting$;

create trigger never_forgotten
before delete or truncate on {schema}.claims
for each statement execute function {schema}.refuse_forgetting();
