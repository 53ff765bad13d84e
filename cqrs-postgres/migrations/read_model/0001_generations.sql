-- The documents themselves lie in one table for each generation, made by open() and begin(). Projections begin with a
-- letter: what begins with `_` never collides with one.

-- One row for each projection: locked by whoever changes its generations.
create table {schema}._projections (
    projection text collate "C" primary key,
    live bigint,
    highest bigint not null default 0
);

create table {schema}._generations (
    projection text collate "C" not null,
    generation bigint not null,
    partitions integer not null default 1,
    -- Nobody sees or writes it any more; its table is still to go.
    dropped boolean not null default false,
    primary key (projection, generation)
);

create table {schema}._indexes (
    projection text collate "C" not null,
    generation bigint not null,
    name text collate "C" not null,
    definition text not null,
    primary key (projection, generation, name)
);

create table {schema}._checkpoints (
    projection text collate "C" not null,
    generation bigint not null,
    partition integer not null,
    token bigint,
    store_id uuid,
    position bigint,
    event_id uuid,
    -- The token under which the checkpoint was written; `token` may be that of a newer owner.
    written_under bigint,
    primary key (projection, generation, partition)
);

-- Locks a target until the end of the transaction, and makes its row where its generation has none yet. Null without
-- such a generation.
create function {schema}._lock_target(of_projection text, of_generation bigint, of_partition integer)
returns {schema}._checkpoints
language plpgsql
volatile
set plan_cache_mode = 'force_generic_plan'
as $_lock_target$
declare
    target {schema}._checkpoints;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'read models are written under read committed only' using errcode = 'invalid_transaction_state';
    end if;
    select * into target
      from {schema}._checkpoints c
     where c.projection = of_projection and c.generation = of_generation and c.partition = of_partition
       for update;
    if found then
        return target;
    end if;
    -- Whoever drops it waits, or was faster.
    perform
       from {schema}._generations g
      where g.projection = of_projection and g.generation = of_generation and not g.dropped
        for share;
    if not found then
        return null;
    end if;
    insert into {schema}._checkpoints (projection, generation, partition)
    values (of_projection, of_generation, of_partition)
        on conflict do nothing;
    select * into target
      from {schema}._checkpoints c
     where c.projection = of_projection and c.generation = of_generation and c.partition = of_partition
       for update;
    return target;
end
$_lock_target$;

-- Stores the token of a new owner: `taken` with the checkpoint, `fenced` with the token that is stored, or `unknown`.
create function {schema}._fence(
    of_projection text,
    of_generation bigint,
    of_partition integer,
    offered bigint,
    out outcome text,
    out target {schema}._checkpoints
)
language plpgsql
volatile
set plan_cache_mode = 'force_generic_plan'
as $_fence$
begin
    target := {schema}._lock_target(of_projection, of_generation, of_partition);
    if target.projection is null then
        outcome := 'unknown';
    elsif target.token >= offered then
        outcome := 'fenced';
    else
        update {schema}._checkpoints c
           set token = offered
         where c.projection = of_projection and c.generation = of_generation and c.partition = of_partition;
        outcome := 'taken';
    end if;
end
$_fence$;

-- Writes documents into the table of their generation; a null removes. None goes back behind its position.
create function {schema}._write(
    of_projection text,
    of_generation bigint,
    of_partition integer,
    keys text[],
    documents text[],
    positions bigint[]
)
returns void
language plpgsql
volatile
-- Each key is looked up, also in a table without statistics.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $_write$
declare
    generation constant text := format('%I.%I', '{schema}', of_projection || '$' || of_generation);
begin
    execute format(
        'insert into %s as stored (partition, key, document, position)
         select $4, written.key, written.document::jsonb, written.position
           from unnest($1, $2, $3) as written (key, document, position)
          where written.document is not null
             on conflict (key, partition) do update
            set document = excluded.document, position = excluded.position
          where stored.position <= excluded.position', generation)
      using keys, documents, positions, of_partition;
    if array_position(documents, null) is not null then
        execute format(
            'delete from %s as stored
              using unnest($1, $2, $3) as written (key, document, position)
              where written.document is null
                and stored.key = written.key and stored.partition = $4 and stored.position <= written.position',
            generation)
          using keys, documents, positions, of_partition;
    end if;
end
$_write$;

-- Writes a batch: `applied`, `already` when the checkpoint stands at its end, `fenced` or `sequence` with what is
-- stored, or `unknown`.
create function {schema}._apply(
    of_projection text,
    of_generation bigint,
    of_partition integer,
    offered bigint,
    starts bigint,
    ends bigint,
    store_id uuid,
    event_id uuid,
    keys text[],
    documents text[],
    positions bigint[],
    out outcome text,
    out stored bigint
)
language plpgsql
volatile
set plan_cache_mode = 'force_generic_plan'
as $_apply$
declare
    target constant {schema}._checkpoints := {schema}._lock_target(of_projection, of_generation, of_partition);
begin
    if target.projection is null then
        outcome := 'unknown';
        return;
    end if;
    if target.token > offered then
        outcome := 'fenced';
        stored := target.token;
        return;
    end if;
    stored := coalesce(target.position, 0);
    if stored <> starts then
        outcome := case when stored = ends then 'already' else 'sequence' end;
        return;
    end if;
    perform {schema}._write(of_projection, of_generation, of_partition, keys, documents, positions);
    update {schema}._checkpoints c
       set token = offered, store_id = _apply.store_id, position = ends, event_id = _apply.event_id, written_under = offered
     where c.projection = of_projection and c.generation = of_generation and c.partition = of_partition;
    outcome := 'applied';
end
$_apply$;

-- The first document that the table refuses, and why: asked in a transaction that is rolled back.
create function {schema}._refused(
    of_projection text,
    of_generation bigint,
    of_partition integer,
    keys text[],
    documents text[],
    positions bigint[],
    out key text,
    out reason text
)
language plpgsql
volatile
as $_refused$
begin
    for i in 1 .. cardinality(keys) loop
        begin
            perform {schema}._write(of_projection, of_generation, of_partition,
                                    array[keys[i]], array[documents[i]], array[positions[i]]);
        exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
            key := keys[i];
            reason := sqlerrm;
            return;
        end;
    end loop;
end
$_refused$;

-- Drops the table of a dropped generation. Whoever reads the projection waits meanwhile, for half a second at most: a
-- reader that lasts longer makes it fail, and the table stays until the next time.
create function {schema}._drop(of_projection text, of_generation bigint)
returns void
language plpgsql
volatile
as $_drop$
declare
    generation constant text := format('%I.%I', '{schema}', of_projection || '$' || of_generation);
begin
    perform
       from {schema}._generations g
      where g.projection = of_projection and g.generation = of_generation and g.dropped
        for update;
    if not found then
        return;
    end if;
    if to_regclass(generation) is not null then
        -- Ends a vacuum, which would not give way so soon, and holds up no reader.
        perform set_config('lock_timeout', '5s', true);
        execute format('lock table %s in share update exclusive mode', generation);
        perform set_config('lock_timeout', '500ms', true);
        execute format('drop table %s', generation);
    end if;
    delete from {schema}._indexes i where i.projection = of_projection and i.generation = of_generation;
    delete from {schema}._generations g where g.projection = of_projection and g.generation = of_generation;
end
$_drop$;

-- The live generation as the reader's transaction sees it. One that began before the swap keeps the former generation
-- until that is dropped; then it has to begin again, rather than see nothing.
create function {schema}._present(projection text, live bigint)
returns bigint
language plpgsql
stable
parallel safe
as $_present$
begin
    if live is not null
       and pg_catalog.to_regclass(pg_catalog.format('%I.%I', '{schema}', pg_catalog.concat(projection, '$', live))) is null then
        raise exception 'generation % of % was dropped after this transaction began: begin it again', live, projection
              using errcode = 'serialization_failure';
    end if;
    return live;
end
$_present$;
