update dead_letters
   set to_replay = 0
 where projection = $1 and generation not in (select value from json_each($2)) and to_replay
