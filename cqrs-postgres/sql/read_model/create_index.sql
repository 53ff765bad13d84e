create index "{projection}${generation}${index}"
on {schema}."{projection}${generation}" {definition}
