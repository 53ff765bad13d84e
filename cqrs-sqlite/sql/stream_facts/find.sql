select archived_position, archived_at, truncated_before from stream_facts where stream = $1
