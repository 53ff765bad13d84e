insert into {schema}._projections (projection)
values ($1)
    on conflict do nothing
