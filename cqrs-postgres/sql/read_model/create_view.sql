create view {schema}."{projection}" as
select key, document, position
  from {schema}."{projection}$all"
 where generation = (
           select {schema}._present(projection, live)
             from {schema}._projections
            where projection = '{projection}'
       )
