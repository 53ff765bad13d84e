select outcome, (target).token, (target).store_id, (target).position, (target).event_id, (target).written_under
  from {schema}._fence($1, $2, $3, $4)
