select store_id, position, event_id, generation, token
  from checkpoints
 where reader = $1
