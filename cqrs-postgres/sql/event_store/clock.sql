select clock_timestamp(), set_config('cqrs.appending', '{schema} with tags', true)
