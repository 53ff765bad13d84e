select pg_notify('cqrs_{schema}', $1)
