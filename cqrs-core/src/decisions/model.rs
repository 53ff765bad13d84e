//! What a decision over tags rests on: a fold over the events that a query finds.

use crate::event::EventSet;
use crate::event_store::EventQuery;
use crate::recorded_event::{Recorded, RecordedEvent, UndecodableEvent};

/// A state that is folded, for one decision, from the events that its query finds, in position order. It is made with the
/// ids that the query needs, and with the state from before the first event.
///
/// Several rules are several models: a tuple of models (up to eight), or a `Vec` of equal ones, is read with the union of
/// their queries, and each applies only what its own query matches.
///
/// # Contract
/// `query` depends on what the model was made with, and not on what it has applied. `apply` is pure and total.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a decision model",
    label = "not a decision model",
    note = "write `impl DecisionModel for {Self} {{ type Event = …; fn query(&self) -> EventQuery {{ … }} fn apply(&mut self, event: &Recorded<Self::Event>) {{ … }} }}`"
)]
pub trait DecisionModel: Send + Sync {
    /// The events that it understands.
    type Event: EventSet;

    /// The events that it rests on. An item that names no types means the types of [`Event`](Self::Event) only, their older
    /// versions included; one that names types must name all versions that matter.
    fn query(&self) -> EventQuery;

    /// Changes the state to what it is after `event`.
    fn apply(&mut self, event: &Recorded<Self::Event>);
}

/// One [`DecisionModel`] or several that are read together: a tuple, or a `Vec`.
pub trait DecisionModels: Send + Sync {
    /// The queries of the models, in order.
    #[doc(hidden)]
    fn queries(&self, into: &mut Vec<EventQuery>);

    /// Applies an event to those models whose queries match it: each takes its own from `queries`.
    #[doc(hidden)]
    fn fold(
        &mut self,
        event: &RecordedEvent,
        tags: &[String],
        queries: &mut std::slice::Iter<'_, EventQuery>,
    ) -> Result<(), UndecodableEvent>;
}

impl<M: DecisionModel> DecisionModels for M {
    fn queries(&self, into: &mut Vec<EventQuery>) {
        into.push(self.query().understood_by::<M::Event>());
    }

    fn fold(
        &mut self,
        event: &RecordedEvent,
        tags: &[String],
        queries: &mut std::slice::Iter<'_, EventQuery>,
    ) -> Result<(), UndecodableEvent> {
        if queries.next().is_some_and(|query| query.matches(&event.event_type, tags)) {
            Recorded::decode_all(vec![event.clone()])?.iter().for_each(|event| self.apply(event));
        }
        Ok(())
    }
}

impl<M: DecisionModel> DecisionModels for Vec<M> {
    fn queries(&self, into: &mut Vec<EventQuery>) {
        self.iter().for_each(|model| model.queries(into));
    }

    fn fold(
        &mut self,
        event: &RecordedEvent,
        tags: &[String],
        queries: &mut std::slice::Iter<'_, EventQuery>,
    ) -> Result<(), UndecodableEvent> {
        self.iter_mut().try_for_each(|model| model.fold(event, tags, queries))
    }
}

macro_rules! together {
    ($($model:ident)+) => {
        impl<$($model: DecisionModels),+> DecisionModels for ($($model,)+) {
            #[allow(non_snake_case, reason = "the type parameters name the values")]
            fn queries(&self, into: &mut Vec<EventQuery>) {
                let ($($model,)+) = self;
                $($model.queries(into);)+
            }

            #[allow(non_snake_case, reason = "the type parameters name the values")]
            fn fold(
                &mut self,
                event: &RecordedEvent,
                tags: &[String],
                queries: &mut std::slice::Iter<'_, EventQuery>,
            ) -> Result<(), UndecodableEvent> {
                let ($($model,)+) = self;
                $($model.fold(event, tags, queries)?;)+
                Ok(())
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
