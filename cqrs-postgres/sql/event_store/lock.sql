select pg_advisory_xact_lock(hashtextextended('cqrs:{schema}', 0))
