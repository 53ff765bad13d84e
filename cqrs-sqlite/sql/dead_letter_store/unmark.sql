update dead_letters
   set to_replay = 0
 where projection = $1 and generation = $2 and partition = $3 and document = $5 and position <= $6
   and discarded_at is not null and to_replay
   and (select token from dead_letter_owners where projection = $1 and generation = $2 and partition = $3) <= $4
