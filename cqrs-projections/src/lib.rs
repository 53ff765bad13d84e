//! The read side of cqrs-core: projectors, their runner, rebuilds, and read models in Redis and Elasticsearch
