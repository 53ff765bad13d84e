//! A log, and a corner of a service for its sheets.

use std::sync::Arc;

use cqrs_core::{EventStore, GlobalPosition, ReadModel};
use cqrs_postgres::PgEventStore;
use cqrs_projections::{Projections, Running};
use cqrs_tests::database::Database;
use cqrs_tests::ledger::{NAME, Sheets, folded, go_on, kept};
use cqrs_tests::sink::{Corner, Service};
use cqrs_tests::wait::AT_MOST;

pub struct Place {
    pub store: PgEventStore,
    pub corner: Corner,
    pub model: Arc<dyn ReadModel>,
    pub database: Database,
}

impl Place {
    pub async fn new(service: Service) -> Self {
        let database = Database::new();
        let store = database.migrated().await;
        let corner = Corner::new(service).await;
        Self { model: corner.sink.connect(AT_MOST).await, store, corner, database }
    }

    pub async fn append(&self, seeds: std::ops::Range<u64>) -> GlobalPosition {
        let mut position = GlobalPosition::START;
        for seed in seeds {
            position = go_on(&self.store, seed).await;
        }
        position
    }

    pub async fn start(&self, partitions: u16) -> Running {
        let projections = Projections::new(self.store.clone()).add(NAME, Sheets(partitions), self.model.clone());
        projections.start().await.unwrap()
    }

    pub async fn assert_right(&self, running: &Running) {
        let head = self.store.head().await.unwrap().position;
        running.wait_for(head, AT_MOST).await.unwrap();
        assert_eq!(kept(&self.model).await, folded(&self.store).await);
    }

    pub async fn generations(&self) -> Vec<u32> {
        let all = self.model.generations(&NAME.parse().unwrap()).await.unwrap();
        all.into_iter().map(cqrs_core::Generation::get).collect()
    }
}
