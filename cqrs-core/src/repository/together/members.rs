//! The aggregates that a command on several is about.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_trait::async_trait;

use super::draft::{AnyDraft, Draft};
use crate::aggregate::Apply;
use crate::event_store::{EventStore, StoreError};
use crate::id::StoreId;
use crate::name::{InvalidName, StreamName};
use crate::repository::{LoadError, Repository};

/// One aggregate, and the repository that it is loaded by: made by [`Repository::member`].
#[derive(Debug, Clone)]
pub struct Member<A: Apply> {
    repository: Repository<A>,
    stream: Result<StreamName, InvalidName>,
}

impl<A: Apply> Repository<A> {
    /// The aggregate `id`, for a command on several aggregates: see [`Together`](crate::Together). An id that cannot name a
    /// stream fails the command.
    #[must_use]
    pub fn member(&self, id: &A::Id) -> Member<A> {
        Member { repository: self.clone(), stream: StreamName::of(A::CATEGORY, id) }
    }
}

/// A member of whatever type.
#[async_trait]
pub trait AnyMember: Send + Sync {
    fn stream(&self) -> Result<StreamName, InvalidName>;
    fn store(&self) -> Arc<dyn EventStore>;
    async fn store_id(&self) -> Result<StoreId, StoreError>;
    /// Drops the cached state: the next one is read.
    fn forget(&self);
}

#[async_trait]
impl<A: Apply> AnyMember for Member<A> {
    fn stream(&self) -> Result<StreamName, InvalidName> {
        self.stream.clone()
    }

    fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.repository.store)
    }

    async fn store_id(&self) -> Result<StoreId, StoreError> {
        let Repository { store, store_id, .. } = &self.repository;
        store_id.get_or_try_init(|| async { Ok(store.head().await?.store_id) }).await.copied()
    }

    fn forget(&self) {
        if let (Some(lines), Ok(stream)) = (&self.repository.lines, &self.stream) {
            lines.forget(stream);
        }
    }
}

/// The members of a command: a [`Member`], a tuple of members, or a `Vec` of equal ones.
pub trait Members: Send + Sync {
    /// What the command is decided on: a [`Draft`] for each member.
    type Drafts: Send;

    #[doc(hidden)]
    fn open(&self, numbers: &Arc<AtomicU32>) -> impl Future<Output = Result<Self::Drafts, LoadError>> + Send;
    #[doc(hidden)]
    fn drafts(drafts: &mut Self::Drafts) -> Vec<&mut dyn AnyDraft>;
    #[doc(hidden)]
    fn all<'a>(&'a self, into: &mut Vec<&'a dyn AnyMember>);
}

impl<A: Apply> Members for Member<A> {
    type Drafts = Draft<A>;

    async fn open(&self, numbers: &Arc<AtomicU32>) -> Result<Draft<A>, LoadError> {
        let stream = self.stream.clone()?;
        let found = self.repository.current(&stream).await?;
        Ok(Draft::new(stream, found, numbers))
    }

    fn drafts(drafts: &mut Draft<A>) -> Vec<&mut dyn AnyDraft> {
        vec![drafts]
    }

    fn all<'a>(&'a self, into: &mut Vec<&'a dyn AnyMember>) {
        into.push(self);
    }
}

impl<A: Apply> Members for Vec<Member<A>> {
    type Drafts = Vec<Draft<A>>;

    async fn open(&self, numbers: &Arc<AtomicU32>) -> Result<Self::Drafts, LoadError> {
        let mut drafts = Vec::with_capacity(self.len());
        for member in self {
            drafts.push(member.open(numbers).await?);
        }
        Ok(drafts)
    }

    fn drafts(drafts: &mut Self::Drafts) -> Vec<&mut dyn AnyDraft> {
        drafts.iter_mut().map(|draft| draft as &mut dyn AnyDraft).collect()
    }

    fn all<'a>(&'a self, into: &mut Vec<&'a dyn AnyMember>) {
        self.iter().for_each(|member| member.all(into));
    }
}

macro_rules! together {
    ($($member:ident)+) => {
        #[allow(non_snake_case, reason = "the type parameters name the values")]
        impl<$($member: Members),+> Members for ($($member,)+) {
            type Drafts = ($($member::Drafts,)+);

            async fn open(&self, numbers: &Arc<AtomicU32>) -> Result<Self::Drafts, LoadError> {
                let ($($member,)+) = self;
                Ok(($($member.open(numbers).await?,)+))
            }

            fn drafts(drafts: &mut Self::Drafts) -> Vec<&mut dyn AnyDraft> {
                let ($($member,)+) = drafts;
                let mut all = Vec::new();
                $(all.extend(<$member as Members>::drafts($member));)+
                all
            }

            fn all<'a>(&'a self, into: &mut Vec<&'a dyn AnyMember>) {
                let ($($member,)+) = self;
                $($member.all(into);)+
            }
        }
    };
}

together! { A }
together! { A B }
together! { A B C }
together! { A B C D }
together! { A B C D E }
together! { A B C D E F }
together! { A B C D E F G }
together! { A B C D E F G H }
