-- What a service needs that runs projections: it makes and drops the tables of generations, which it then owns.
grant usage, create on schema {schema} to {role};
grant select, insert, update, delete on {schema}._projections, {schema}._generations, {schema}._indexes, {schema}._checkpoints
to {role};
grant execute on function {schema}._lock_target, {schema}._fence, {schema}._write, {schema}._apply, {schema}._refused,
                          {schema}._drop, {schema}._present
to {role};
