delete from {schema}.snapshots where stream = $1
