delete from stream_facts where stream = $1;

commit
