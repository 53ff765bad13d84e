//! given / when / then for aggregates and contract suites for every port of cqrs-core
