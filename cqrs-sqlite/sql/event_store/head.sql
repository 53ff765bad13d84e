select store.store_id, newest.position, newest.event_id, newest.recorded_at
  from store
  left join (select position, event_id, recorded_at from events order by position desc limit 1) newest on true
