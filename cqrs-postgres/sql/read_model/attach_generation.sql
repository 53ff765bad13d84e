alter table {schema}."{projection}$all"
attach partition {schema}."{projection}${generation}" for values in ({generation})
