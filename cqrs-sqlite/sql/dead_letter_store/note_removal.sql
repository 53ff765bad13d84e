update dead_letters
   set removing = position <= $6
 where projection = $1 and generation = $2 and partition = $3 and document = $5 and discarded_at is null
   and (select token from dead_letter_owners where projection = $1 and generation = $2 and partition = $3) <= $4
