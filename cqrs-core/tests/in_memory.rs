//! The contract of every port, on the implementations in memory.

use std::sync::Arc;

use cqrs_core::in_memory::{
    InMemoryCheckpointStore, InMemoryDeadLetterStore, InMemoryEventStore, InMemoryLeaseStore, InMemoryReadModel,
    InMemorySnapshotStore,
};
use cqrs_core::{CheckpointStore, DeadLetterStore, EventStore, LeaseStore, ReadModel, SnapshotStore};
use cqrs_testkit::Fixture;

async fn events() -> Fixture<dyn EventStore> {
    Fixture::new(Arc::new(InMemoryEventStore::new()))
}

mod event_store {
    cqrs_testkit::event_store_contract!(super::events);
}

/// The contract holds whatever the clock shows.
mod event_store_whose_clock_stands_still {
    use cqrs_testkit::VirtualClock;

    use super::{Arc, EventStore, Fixture, InMemoryEventStore};

    async fn events() -> Fixture<dyn EventStore> {
        Fixture::new(Arc::new(InMemoryEventStore::with_clock(VirtualClock::at("1970-01-01T00:00:00Z"))))
    }

    cqrs_testkit::event_store_contract!(events);
}

mod subscription {
    cqrs_testkit::subscription_contract!(super::events);
}

/// The doubles of the testing kit keep the contracts as long as they have no faults.
mod faulty {
    use cqrs_testkit::{FaultyEventStore, FaultyReadModel};

    use super::{Arc, EventStore, Fixture, InMemoryEventStore, InMemoryReadModel, ReadModel};

    async fn events() -> Fixture<dyn EventStore> {
        Fixture::new(Arc::new(FaultyEventStore::new(InMemoryEventStore::new())))
    }

    async fn documents() -> Fixture<dyn ReadModel> {
        Fixture::new(Arc::new(FaultyReadModel::new(InMemoryReadModel::new())))
    }

    mod event_store {
        cqrs_testkit::event_store_contract!(super::events);
    }

    mod subscription {
        cqrs_testkit::subscription_contract!(super::events);
    }

    mod read_model {
        cqrs_testkit::read_model_contract!(super::documents);
    }
}

mod snapshot_store {
    use super::{Arc, Fixture, InMemorySnapshotStore, SnapshotStore};

    async fn snapshots() -> Fixture<dyn SnapshotStore> {
        Fixture::new(Arc::new(InMemorySnapshotStore::new()))
    }

    cqrs_testkit::snapshot_store_contract!(snapshots);
}

mod checkpoint_store {
    use super::{Arc, CheckpointStore, Fixture, InMemoryCheckpointStore};

    async fn checkpoints() -> Fixture<dyn CheckpointStore> {
        Fixture::new(Arc::new(InMemoryCheckpointStore::new()))
    }

    cqrs_testkit::checkpoint_store_contract!(checkpoints);
}

mod lease {
    use super::{Arc, Fixture, InMemoryLeaseStore, LeaseStore};

    async fn leases() -> Fixture<dyn LeaseStore> {
        Fixture::new(Arc::new(InMemoryLeaseStore::new()))
    }

    cqrs_testkit::lease_store_contract!(leases);
}

mod dead_letter_store {
    use super::{Arc, DeadLetterStore, Fixture, InMemoryDeadLetterStore};

    async fn letters() -> Fixture<dyn DeadLetterStore> {
        Fixture::new(Arc::new(InMemoryDeadLetterStore::new()))
    }

    cqrs_testkit::dead_letter_store_contract!(letters);
}

mod read_model {
    use super::{Arc, Fixture, InMemoryReadModel, ReadModel};

    async fn documents() -> Fixture<dyn ReadModel> {
        Fixture::new(Arc::new(InMemoryReadModel::new()))
    }

    cqrs_testkit::read_model_contract!(documents);
}

mod publisher {
    use super::{Arc, Fixture};

    async fn broker() -> Fixture<dyn cqrs_testkit::ObservedPublisher> {
        Fixture::new(Arc::new(cqrs_core::in_memory::InMemoryPublisher::new()))
    }

    cqrs_testkit::publisher_contract!(broker);
}

mod recorded_types {
    use super::{Arc, Fixture, InMemoryEventStore};

    async fn typed() -> Fixture<dyn cqrs_testkit::TypedStore> {
        Fixture::new(Arc::new(InMemoryEventStore::new()))
    }

    cqrs_testkit::recorded_types_contract!(typed);
}

mod import {
    use super::{Arc, Fixture, InMemoryEventStore};

    async fn importing() -> Fixture<dyn cqrs_testkit::ImportingStore> {
        Fixture::new(Arc::new(InMemoryEventStore::new()))
    }

    cqrs_testkit::import_contract!(importing);
}
