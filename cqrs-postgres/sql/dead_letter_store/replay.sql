-- Null stands for all documents.
with marked as (
    update {schema}.dead_letters
       set to_replay = true
     where projection = $1 and document = coalesce($2, document) and discarded_at is null
 returning generation, document
)
select count(distinct (generation, document)) from marked
