-- Null stands for all documents.
update dead_letters
   set to_replay = 1
 where projection = $1 and document = coalesce($2, document) and discarded_at is null
returning generation, document
