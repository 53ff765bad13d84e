with discarded as (
    update {schema}.dead_letters
       set discarded_at = clock_timestamp(), reason = $3, to_replay = document is not null
     where projection = $1 and letter_id = $2 and discarded_at is null and not to_replay
 returning letter_id, generation, partition, document
), marked as (
    update {schema}.dead_letters following
       set to_replay = true
      from discarded
     where following.projection = $1 and following.generation = discarded.generation
       and following.partition = discarded.partition and following.document = discarded.document
       and following.letter_id <> discarded.letter_id and following.discarded_at is null
)
select count(*) from discarded
