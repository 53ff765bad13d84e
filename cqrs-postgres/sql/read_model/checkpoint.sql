select token, store_id, position, event_id, written_under
  from {schema}._checkpoints
 where projection = $1 and generation = $2 and partition = $3
