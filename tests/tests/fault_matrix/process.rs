//! What happens to processes.

use cqrs_tests::proxy::{Held, Proxy};
use cqrs_tests::wait::until;

use super::pair::{Pair, behind_proxy};
use super::service::Outage;

/// Keeps back what comes by the proxy, from a moment on at which events are written.
async fn in_the_middle(proxy: &Proxy) -> Held {
    until("something is on its way", || async {
        // Again and again: what comes by connections that are opened meanwhile is kept back as well.
        let held = proxy.hold();
        (held.bytes() > 0).then_some(held)
    })
    .await
}

/// What the killed process has sent arrives before another one has its partitions, or after.
pub async fn killed<S: Outage>() {
    let (cluster, proxy, sink) = behind_proxy(S::SERVICE).await;
    let direct = cluster.corner.sink.clone();
    let mut pair = Pair::start(cluster, &direct, &sink).await;
    for arrives_late in [false, true] {
        let load = pair.cluster.under_load();
        pair.goes_on().await;
        let held = in_the_middle(&proxy).await;
        pair.two.kill();
        if arrives_late {
            pair.cluster.shared([("one", 4)]).await;
            pair.one.reaches(pair.cluster.head().await).await;
            held.release();
        } else {
            held.release();
            pair.cluster.shared([("one", 4)]).await;
        }
        pair.one.reaches(pair.cluster.head().await).await;
        load.ends().await;
        pair.one.reaches(pair.cluster.head().await).await;
        pair.cluster.assert_right().await;
        pair.two = pair.cluster.process_at("two", sink.clone());
        pair.shares().await;
    }
    pair.ends().await;
}

/// What the paused process has sent arrives when another one has its partitions, and then it goes on where it was.
pub async fn paused<S: Outage>() {
    let (cluster, proxy, sink) = behind_proxy(S::SERVICE).await;
    let direct = cluster.corner.sink.clone();
    let mut pair = Pair::start(cluster, &direct, &sink).await;
    for _ in 0..2 {
        let load = pair.cluster.under_load();
        pair.goes_on().await;
        let held = in_the_middle(&proxy).await;
        pair.two.freeze();
        pair.cluster.shared([("one", 4)]).await;
        load.ends().await;
        pair.one.reaches(pair.cluster.head().await).await;
        pair.cluster.assert_right().await;

        // Nothing is appended: what it had sent, and what it sends now, is not seen.
        let watch = pair.cluster.watched();
        held.release();
        until("what was held has arrived", || async { (held.bytes() == 0).then_some(()) }).await;
        pair.cluster.assert_right().await;
        pair.two.thaw();
        pair.shares().await;
        pair.goes_on().await;
        pair.cluster.assert_right().await;
        watch.ends().await;
        let load = pair.cluster.under_load();
        pair.goes_on().await;
        pair.is_right_after(load).await;
    }
    pair.ends().await;
}
