//! How far partitions are behind the log.

use std::collections::HashMap;
use std::time::Duration;

use cqrs_core::{EventStore, GlobalPosition, Head, ReadAll, StoreError, Timestamp};

use super::status::PartitionStatus;

/// Fills in how far each partition is behind, in positions and in time.
pub(super) async fn measure(store: &dyn EventStore, head: Option<&Head>, partitions: &mut [PartitionStatus]) {
    let Some(head) = head else {
        return;
    };
    let mut ages = HashMap::new();
    for partition in partitions {
        let position = partition.position;
        partition.lag = Some(head.position.get().saturating_sub(position.get()));
        partition.behind = match ages.get(&position) {
            Some(age) => *age,
            None => *ages.entry(position).or_insert(age(store, head, position).await.ok()),
        };
    }
}

/// How long ago the first event after a position was recorded.
async fn age(store: &dyn EventStore, head: &Head, position: GlobalPosition) -> Result<Duration, StoreError> {
    if position >= head.position {
        return Ok(Duration::ZERO);
    }
    let next = store.read_all(ReadAll::after(position).until(head.position).limit(1)).await?;
    let recorded_at = next.events.first().map(|event| event.recorded_at);
    Ok(recorded_at.map_or(Duration::ZERO, |recorded_at| since(recorded_at, Timestamp::now())))
}

/// Clocks differ: what is recorded after the present is no time ago.
fn since(recorded_at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(now.as_micros() - recorded_at.as_micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_the_future_is_no_time_ago() {
        let (then, now) = (Timestamp::from_micros(1_000_000), Timestamp::from_micros(3_500_000));
        assert_eq!(since(then, now), Duration::from_millis(2_500));
        assert_eq!(since(now, then), Duration::ZERO);
    }
}
