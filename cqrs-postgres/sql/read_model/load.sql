select key, document::text, position
  from {schema}."{projection}${generation}"
 where key = any ($4) and partition = $3
   and exists (
           select
             from {schema}._generations g
            where g.projection = $1 and g.generation = $2 and not g.dropped
       )
