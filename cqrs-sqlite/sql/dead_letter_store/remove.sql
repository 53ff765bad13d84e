delete from dead_letters
 where projection = $1 and generation = $2 and partition = $3 and document = $5 and position <= $6
   and discarded_at is null
   and (select token from dead_letter_owners where projection = $1 and generation = $2 and partition = $3) <= $4
