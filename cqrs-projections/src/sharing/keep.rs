//! A lease that is renewed in the background until it is given back.

use cqrs_core::{Lease, ProjectionName, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Sharing, Tenure, over};

/// Dropped without being given back, it runs out.
#[derive(Debug)]
pub(crate) struct Kept {
    sharing: Sharing,
    projection: ProjectionName,
    lease: Lease,
    tenure: watch::Receiver<Tenure>,
    task: JoinHandle<()>,
}

impl Kept {
    /// Takes a lease; `None` when somebody else has it.
    pub(crate) async fn take(
        sharing: &Sharing,
        projection: &ProjectionName,
        lease: Lease,
    ) -> Result<Option<Self>, StoreError> {
        // A member of its own: what it holds ends with it, whatever becomes of the process's partitions.
        let sharing = sharing.other();
        let Some(end) = sharing.acquire(projection, lease).await? else {
            return Ok(None);
        };
        let (renewed, tenure) = watch::channel(Tenure::Until(end));
        let task = tokio::spawn(keep(sharing.clone(), projection.clone(), lease, renewed));
        Ok(Some(Self { sharing, projection: projection.clone(), lease, tenure, task }))
    }

    pub(crate) fn holds(&self) -> bool {
        self.tenure.borrow().holds()
    }

    /// Waits until it is lost.
    pub(crate) async fn lost(&self) {
        over(&mut self.tenure.clone()).await;
    }

    pub(crate) async fn give_back(self) {
        self.task.abort();
        if let Err(error) = self.sharing.release(&self.projection, self.lease).await {
            tracing::warn!(projection = %self.projection, %error, "the lease of the {} runs out by itself", self.lease);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(sharing: Sharing, projection: ProjectionName, lease: Lease, renewed: watch::Sender<Tenure>) {
    loop {
        tokio::time::sleep(sharing.interval()).await;
        match sharing.acquire(&projection, lease).await {
            Ok(Some(end)) => drop(renewed.send_replace(Tenure::Until(end))),
            Ok(None) => {
                renewed.send_replace(Tenure::None);
                return;
            }
            // It may be asked again in time.
            Err(error) => tracing::warn!(%projection, %error, "the lease of the {lease} was not renewed"),
        }
    }
}
