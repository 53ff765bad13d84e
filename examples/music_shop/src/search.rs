//! The customers' documents, searched.

use cqrs_core::InvalidName;
use cqrs_projections::{ElasticReadModel, Field, Mapping, Order, Refresh, SearchQuery};

use crate::customers::CustomerSummary;
use crate::totals::BestCustomer;

/// The customers in Elasticsearch.
#[derive(Clone, Debug)]
pub struct CustomerSearch {
    model: ElasticReadModel,
}

impl CustomerSearch {
    /// The projection that is searched.
    pub const PROJECTION: &str = "customer-search";

    /// Declares what can be searched for.
    pub fn new(model: ElasticReadModel) -> Self {
        let mapping = Mapping::new()
            .field("customer", Field::keyword())
            .field("joined", Field::date())
            .field("last_purchase", Field::date())
            .field("purchases", Field::long())
            .field("cds", Field::long())
            .field("cents", Field::long());
        // What was waited for can be found.
        Self { model: model.mapping(mapping).refresh(Refresh::Immediate) }
    }

    /// Where the documents go.
    pub fn model(&self) -> ElasticReadModel {
        self.model.clone()
    }

    /// The ten customers who have spent most.
    pub async fn best(&self) -> Result<Vec<BestCustomer>, SearchError> {
        let query = SearchQuery::new().sort("cents", Order::Descending).sort("customer", Order::Ascending).limit(10);
        let page = self.model.search::<CustomerSummary>(Self::PROJECTION)?.page(&query).await?;
        let best = page.hits.into_iter().map(|hit| hit.document);
        Ok(best.map(|found| BestCustomer { customer: found.customer, cents: found.cents }).collect())
    }
}

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Search(#[from] cqrs_projections::SearchError),
}
