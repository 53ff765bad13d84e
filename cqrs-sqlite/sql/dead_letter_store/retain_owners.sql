delete from dead_letter_owners
 where projection = $1 and generation not in (select value from json_each($2))
