delete from {schema}.stream_facts where stream = $1
