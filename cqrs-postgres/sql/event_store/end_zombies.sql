-- Sessions that this writer has given up: what they were sent must not be written later.
select count(pg_terminate_backend(pid, $2))
  from pg_stat_activity
 where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()
