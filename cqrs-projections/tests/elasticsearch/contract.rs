//! What every read model does.

use std::sync::Arc;

use cqrs_core::ReadModel;
use cqrs_projections::{Field, Mapping, Refresh};
use cqrs_testkit::Fixture;

use crate::place::Place;

async fn fresh() -> Fixture<dyn ReadModel> {
    let fields = Mapping::new().field("seen", Field::long()).field("note", Field::text());
    let place = Place::with(fields.shards(1).replicas(0)).await;
    let model: Arc<dyn ReadModel> = Arc::new(place.model.clone().refresh(Refresh::None));
    Fixture::new(model).guard(place)
}

cqrs_testkit::read_model_contract!(fresh);
