with raised as (
    update {schema}._projections
       set highest = $2
     where projection = $1
)
insert into {schema}._generations (projection, generation, partitions)
values ($1, $2, $3)
