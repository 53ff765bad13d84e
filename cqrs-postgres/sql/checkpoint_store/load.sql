select store_id, position, event_id, generation, token
  from {schema}.checkpoints
 where reader = $1
