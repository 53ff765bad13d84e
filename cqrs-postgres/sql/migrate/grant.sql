-- What a service needs: it appends and reads events, can change or remove none, and archives or truncates no stream. Claims
-- change as events say only. It uses the outbox as it likes.
grant usage on schema {schema} to {role};
grant select on {schema}.store, {schema}.stream_facts to {role};
grant select, insert on {schema}.events, {schema}.event_tags to {role};
grant select, insert, update on {schema}.claims to {role};
grant execute on function {schema}.append_tagged, {schema}.matching_events, {schema}.tags_of to {role};
grant execute on function {schema}.lock_appends, {schema}.enqueue to {role};
grant select, insert, update, delete on {schema}.snapshots, {schema}.checkpoints, {schema}.outbox, {schema}.outbox_lanes to {role};
grant select, update on {schema}.outbox_relay to {role};
grant select, insert, update, delete on {schema}.members, {schema}.leases to {role};
grant select, insert, update, delete on {schema}.dead_letters, {schema}.dead_letter_owners to {role};
