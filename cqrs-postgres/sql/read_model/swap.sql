update {schema}._projections
   set live = $2
 where projection = $1
   and exists (
           select
             from {schema}._generations g
            where g.projection = $1 and g.generation = $2 and not g.dropped
       )
