use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot)]
struct Bare;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(version = 2))]
struct NoEvery;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(every = 0))]
struct Zero;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(every = 10, after = 3))]
struct Unknown;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(every = 10, every = 20))]
struct Twice;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot = 100)]
struct Number;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(older_than = "1 hour"))]
struct AgeInWords;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(older_than = "0h"))]
struct NoAge;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(older_than = "+1h"))]
struct SignedAge;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(older_than = "5"))]
struct NoUnit;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(older_than = 3600))]
struct AgeWithoutQuotes;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(older_than = "1h", older_than = "2h"))]
struct TwoAges;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(on_demand, every = 10))]
struct OnDemandAndEvery;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(on_demand = true))]
struct OnDemandWithValue;

fn main() {}
