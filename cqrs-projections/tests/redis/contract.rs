//! What every read model does.

use std::sync::Arc;

use cqrs_core::ReadModel;
use cqrs_testkit::Fixture;

use super::scratch::Scratch;

async fn fresh() -> Fixture<dyn ReadModel> {
    let scratch = Scratch::new();
    Fixture::new(Arc::new(scratch.model().await) as Arc<dyn ReadModel>).guard(scratch)
}

cqrs_testkit::read_model_contract!(fresh);
