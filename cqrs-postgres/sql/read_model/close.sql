with closed as (
    update {schema}._generations
       set dropped = true
     where projection = $1 and generation = $2
)
delete from {schema}._checkpoints
 where projection = $1 and generation = $2
