-- What housekeeping needs: it reads events, and says what is known of their streams.
grant usage on schema {schema} to {role};
grant select on {schema}.store, {schema}.events to {role};
grant select, insert, update, delete on {schema}.stream_facts to {role};
