//! The ports on a real PostgreSQL: every contract, and what only a database can get wrong.

mod postgres {
    mod appending;
    mod contract;
    mod database;
    mod immutability;
    mod migration;
    mod subscription;
    mod tenants;
}
