-- What a service needs: it appends and reads events, and can change or remove none.
grant usage on schema {schema} to {role};
grant select on {schema}.store to {role};
grant select, insert on {schema}.events to {role};
grant execute on function {schema}.append_events to {role};
grant select, insert, update, delete on {schema}.snapshots, {schema}.checkpoints to {role};
