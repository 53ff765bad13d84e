select archived_position, archived_at, truncated_before from {schema}.stream_facts where stream = $1
