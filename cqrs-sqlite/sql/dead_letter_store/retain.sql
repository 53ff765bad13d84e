delete from dead_letters
 where projection = $1 and generation not in (select value from json_each($2)) and discarded_at is null
