select letter_id, projection, generation, partition, document, position, event_id, event_type, stream, cause, error, attempts,
       first_at, last_at, to_replay, removing, discarded_at, reason
  from {schema}.dead_letters
 where projection = $1 and letter_id = $2
