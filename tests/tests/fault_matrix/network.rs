//! What happens between processes and the sink.

use cqrs_tests::cluster::TIMEOUT;
use cqrs_tests::proxy::Direction;
use cqrs_tests::wait::until;

use super::pair::{Pair, behind_proxy};
use super::service::Outage;

/// Answers that take their time are waited for. Behind those that come too late, what was asked for may have been done: it
/// is done again.
pub async fn slow<S: Outage>() {
    let (cluster, proxy, sink) = behind_proxy(S::SERVICE).await;
    let mut pair = Pair::start(cluster, &sink, &sink).await;
    let load = pair.cluster.under_load();
    proxy.delay(TIMEOUT / 30);
    pair.goes_on().await;
    let failures = pair.failures().await;
    proxy.delay(TIMEOUT);
    pair.fail_since(failures).await;
    proxy.pass();
    pair.goes_on().await;
    pair.is_right_after(load).await;
    pair.ends().await;
}

/// At any byte, on the way there and on the way back.
pub async fn cut<S: Outage>() {
    let (cluster, proxy, sink) = behind_proxy(S::SERVICE).await;
    let mut pair = Pair::start(cluster, &sink, &sink).await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let load = pair.cluster.under_load();
    for _ in 0..30 {
        let direction = if random.bool() { Direction::ToClient } else { Direction::ToServer };
        proxy.cut_after(direction, random.usize(..3_000));
        until("a connection is cut", || async { (!proxy.is_armed()).then_some(()) }).await;
    }
    pair.goes_on().await;
    pair.is_right_after(load).await;
    pair.ends().await;
}
