create view {schema}."{projection}" as
select key, document, position
  from {schema}."{projection}$all"
 -- Lookups begin with a control character, documents have none.
 where key >= ' '
   and generation = (
           select {schema}._present(projection, live)
             from {schema}._projections
            where projection = '{projection}'
       )
   -- The same once more, as a condition that is looked at before any row: also when no row is found.
   and (
           select {schema}._present(projection, live)
             from {schema}._projections
            where projection = '{projection}'
       ) is not null
