-- Takes the write lock, then reads what a change is decided on.
begin immediate;

select facts.archived_position, facts.archived_at, facts.truncated_before,
       (select max(version) from events where stream = $1), coalesce(newest.position, 0), newest.recorded_at
  from (select 1)
  left join (select position, recorded_at from events order by position desc limit 1) newest on true
  left join stream_facts facts on facts.stream = $1
