-- The others of its document are marked with it.
update dead_letters
   set to_replay = document is not null,
       reason = iif(letter_id = $2, $3, reason),
       discarded_at = iif(letter_id = $2, cast(unixepoch('subsec') * 1000000 as integer), discarded_at)
 where discarded_at is null
   and letter_id in (
           select following.letter_id
             from dead_letters discarded
             join dead_letters following
               on following.letter_id = discarded.letter_id
               or (following.projection = discarded.projection and following.generation = discarded.generation
                   and following.partition = discarded.partition and following.document = discarded.document)
            where discarded.projection = $1 and discarded.letter_id = $2
              and discarded.discarded_at is null and not discarded.to_replay)
returning letter_id
