//! How long a runner may write.

use tokio::sync::watch;
use tokio::time::Instant;

/// How long a partition is this process's to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// For as long as the process lives: it shares with nobody.
    Always,
    /// Until then, unless the lease is renewed.
    Until(Instant),
    /// It is not.
    None,
}

impl Tenure {
    pub(crate) fn holds(self) -> bool {
        match self {
            Self::Always => true,
            Self::Until(end) => Instant::now() < end,
            Self::None => false,
        }
    }
}

/// Waits until the partition is this process's.
pub(crate) async fn given(tenure: &mut watch::Receiver<Tenure>) {
    if tenure.wait_for(|tenure| tenure.holds()).await.is_err() {
        // Nobody can give it any more.
        std::future::pending::<()>().await;
    }
}

/// Waits until the partition is this process's no longer: it was taken or given back, or nobody renewed the lease in time.
pub(crate) async fn over(tenure: &mut watch::Receiver<Tenure>) {
    loop {
        let now = *tenure.borrow_and_update();
        match now {
            _ if !now.holds() => return,
            Tenure::Until(end) => {
                let _ = tokio::time::timeout_at(end, tenure.changed()).await;
            }
            _ => {
                if tenure.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nobody_renews_it_and_not_before() {
        let start = Instant::now();
        let (sender, mut tenure) = watch::channel(Tenure::Until(start + SECOND));
        tokio::spawn(async move {
            for renewal in 1..=5 {
                tokio::time::sleep(SECOND / 2).await;
                sender.send_replace(Tenure::Until(start + renewal * SECOND / 2 + SECOND));
            }
            sender.closed().await;
        });
        over(&mut tenure).await;
        assert_eq!(start.elapsed().as_millis(), 3_500);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_at_once_when_it_is_taken() {
        let start = Instant::now();
        let (sender, mut tenure) = watch::channel(Tenure::Until(start + 100 * SECOND));
        tokio::join!(over(&mut tenure), async {
            tokio::time::sleep(SECOND).await;
            sender.send_replace(Tenure::None);
        });
        assert_eq!(start.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_given_once() {
        let (sender, mut tenure) = watch::channel(Tenure::None);
        tokio::join!(given(&mut tenure), async {
            tokio::time::sleep(SECOND).await;
            // Too late to be worth anything.
            sender.send_replace(Tenure::Until(Instant::now()));
            tokio::time::sleep(SECOND).await;
            sender.send_replace(Tenure::Until(Instant::now() + SECOND));
        });
        assert!(tenure.borrow().holds());
        assert!(Tenure::Always.holds());
    }
}
