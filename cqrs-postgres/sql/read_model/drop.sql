select {schema}._drop($1, $2)
