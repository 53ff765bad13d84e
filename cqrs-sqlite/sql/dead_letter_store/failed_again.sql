update dead_letters
   set to_replay = 0,
       cause = iif(position = $6 and discarded_at is null, $7, cause),
       error = iif(position = $6 and discarded_at is null, $8, error),
       attempts = iif(position = $6 and discarded_at is null, attempts + $9, attempts),
       last_at = iif(position = $6 and discarded_at is null, cast(unixepoch('subsec') * 1000000 as integer), last_at)
 where projection = $1 and generation = $2 and partition = $3 and document = $5
   and (to_replay or position = $6)
   and (select token from dead_letter_owners where projection = $1 and generation = $2 and partition = $3) <= $4
