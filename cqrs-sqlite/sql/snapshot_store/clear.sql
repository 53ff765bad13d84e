delete from snapshots where stream = $1
