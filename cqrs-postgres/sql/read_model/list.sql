select key, document::text, position, partition
  from {schema}."{projection}${generation}"
 where (key, partition) > ($3, $4)
   and exists (
           select
             from {schema}._generations g
            where g.projection = $1 and g.generation = $2 and not g.dropped
       )
 order by key, partition
 limit $5
