//! A moment as a position of the log.

use cqrs_core::{AsOf, EventStore, GlobalPosition, ReadAll, StoreError, Timestamp};

use super::AsOfError;

/// What is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// The events up to here.
    pub(super) position: GlobalPosition,
    /// Of those only the ones that had occurred by then.
    pub(super) occurred: Option<Timestamp>,
    /// Whether events may still come that belong to it.
    pub(super) provisional: bool,
}

impl Moment {
    pub(super) async fn of(store: &dyn EventStore, as_of: AsOf) -> Result<Self, AsOfError> {
        let head = store.head().await?;
        let newer = |time| head.recorded_at.is_none_or(|newest| time > newest);
        match as_of {
            AsOf::Position(position) => Ok(Self {
                position: position.min(head.position),
                occurred: None,
                provisional: position > head.position,
            }),
            AsOf::Recorded(time) if head.recorded_at.is_none_or(|newest| time >= newest) => {
                Ok(Self { position: head.position, occurred: None, provisional: newer(time) })
            }
            AsOf::Recorded(time) => {
                let position = recorded_by(store, time, head.position).await?;
                Ok(Self { position, occurred: None, provisional: false })
            }
            AsOf::Occurred(time) => {
                Ok(Self { position: head.position, occurred: Some(time), provisional: newer(time) })
            }
            AsOf::Bitemporal { occurred, recorded } => {
                let known = Box::pin(Self::of(store, AsOf::Recorded(recorded))).await?;
                Ok(Self { occurred: Some(occurred), ..known })
            }
            _ => Err(AsOfError::Version),
        }
    }
}

/// The position of the last event that was recorded by a time. Recorded times rise with the positions: each step halves what
/// is left.
async fn recorded_by(
    store: &dyn EventStore,
    time: Timestamp,
    head: GlobalPosition,
) -> Result<GlobalPosition, StoreError> {
    // The event after `low` was recorded by then, if `low` is not the end; the one after `high` was not.
    let (mut low, mut high) = (0, head.get());
    while low < high {
        let middle = low + (high - low) / 2;
        let next = store.read_all(ReadAll::after(GlobalPosition::new(middle)).limit(1)).await?;
        match next.events.first() {
            Some(event) if event.recorded_at <= time => low = event.position.get(),
            _ => high = middle,
        }
    }
    Ok(GlobalPosition::new(low))
}

#[cfg(test)]
mod tests {
    use cqrs_core::in_memory::InMemoryEventStore;
    use cqrs_core::{Append, NewEvent, StreamName, Version};
    use proptest::prelude::*;

    use super::*;

    async fn append(store: &InMemoryEventStore, count: usize) -> Timestamp {
        let event = || NewEvent {
            stream: StreamName::new("account-1").unwrap(),
            ..NewEvent::encode(StreamName::new("account-1").unwrap(), &Happened::Once).unwrap()
        };
        store.append(Append::new((0..count).map(|_| event()).collect())).await.unwrap();
        store.head().await.unwrap().recorded_at.unwrap()
    }

    #[derive(serde::Serialize, serde::Deserialize, cqrs_core::DomainEvent)]
    #[event(domain = "account")]
    enum Happened {
        Once,
    }

    async fn log(counts: &[usize]) -> (InMemoryEventStore, Vec<(GlobalPosition, Timestamp)>) {
        let store = InMemoryEventStore::new();
        for count in counts {
            append(&store, *count).await;
        }
        let all = store.read_all(ReadAll::after(GlobalPosition::START)).await.unwrap();
        let moments = all.events.iter().map(|event| (event.position, event.recorded_at)).collect();
        (store, moments)
    }

    proptest! {
        #[test]
        fn a_recorded_time_is_the_last_position_that_was_recorded_by_then(
            counts in proptest::collection::vec(1..4_usize, 1..12),
            of in any::<prop::sample::Index>(),
            aside in -1..=1_i64,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (store, moments) = log(&counts).await;
                let time = of.get(&moments).1.plus_micros(aside);
                let expected = moments.iter().filter(|(_, recorded_at)| *recorded_at <= time).map(|(at, _)| *at).max();
                let found = Moment::of(&store, AsOf::Recorded(time)).await.unwrap();
                assert_eq!(found.position, expected.unwrap_or(GlobalPosition::START));
                assert_eq!(found.provisional, time > moments[moments.len() - 1].1);
            });
        }
    }

    #[tokio::test]
    async fn what_is_beyond_the_log_is_provisional() {
        let (store, moments) = log(&[2, 3]).await;
        let (head, newest) = moments[4];
        let at = |as_of| Moment::of(&store, as_of);
        let future = Moment { position: head, occurred: None, provisional: true };
        assert_eq!(at(AsOf::Position(head.next())).await.unwrap(), future);
        assert_eq!(at(AsOf::Position(head)).await.unwrap(), Moment { provisional: false, ..future });
        assert_eq!(at(AsOf::Recorded(newest.plus_micros(1))).await.unwrap(), future);
        let occurred = at(AsOf::Occurred(newest)).await.unwrap();
        assert_eq!(occurred, Moment { position: head, occurred: Some(newest), provisional: false });
        let both = |recorded| AsOf::Bitemporal { occurred: newest, recorded };
        assert_eq!(at(both(newest)).await.unwrap(), occurred);
        assert_eq!(at(both(newest.plus_micros(1))).await.unwrap(), Moment { provisional: true, ..occurred });
        let (second, then) = moments[1];
        assert_eq!(at(both(then)).await.unwrap(), Moment { position: second, ..occurred });
        assert!(matches!(at(AsOf::Version(Version::FIRST)).await, Err(AsOfError::Version)));
        let empty = InMemoryEventStore::new();
        assert_eq!(Moment::of(&empty, AsOf::Recorded(newest)).await.unwrap().position, GlobalPosition::START);
    }
}
