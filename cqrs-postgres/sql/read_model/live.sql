select p.live, g.partitions
  from {schema}._projections p
  left join {schema}._generations g on g.projection = p.projection and g.generation = p.live
 where p.projection = $1
