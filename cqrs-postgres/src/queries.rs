//! Queries by type and tag as parameters of statements, and what of the log matches them.

use cqrs_core::{EventQuery, GlobalPosition, QueryItem};
use sqlx::{PgConnection, Row};

use crate::row::position;
use crate::statements::Statements;

/// The items of several queries, each with the position after which it matters.
#[derive(Default)]
pub(crate) struct Items {
    pub items: Vec<String>,
    pub afters: Vec<i64>,
    /// The query that each belongs to, by its index.
    queries: Vec<usize>,
}

impl Items {
    pub fn of(queries: &[(&EventQuery, GlobalPosition)]) -> Result<Self, sqlx::Error> {
        let everything = [QueryItem::new()];
        let mut all = Self::default();
        for (index, (query, after)) in queries.iter().enumerate() {
            for item in if query.is_all() { &everything } else { query.items() } {
                all.items.push(serde_json::to_string(item).map_err(unwritable)?);
                all.afters.push(after.get().cast_signed());
                all.queries.push(index);
            }
        }
        Ok(all)
    }
}

/// The items of one query as an array of JSON.
pub(crate) fn json(query: &EventQuery) -> Result<String, sqlx::Error> {
    serde_json::to_string(query).map_err(unwritable)
}

/// For each query the position of the first event that matches it after a position.
pub(crate) async fn first_matching(
    connection: &mut PgConnection,
    sql: &Statements,
    queries: &[(&EventQuery, GlobalPosition)],
) -> Result<Vec<Option<GlobalPosition>>, sqlx::Error> {
    let Items { items, afters, queries: of } = Items::of(queries)?;
    let mut first: Vec<Option<GlobalPosition>> = vec![None; queries.len()];
    for row in sql.query(&sql.matches).bind(items).bind(afters).fetch_all(connection).await? {
        let item = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
        let found = position(&row, 1)?;
        if let Some(first) = of.get(item).and_then(|query| first.get_mut(*query)) {
            *first = Some(first.map_or(found, |other| other.min(found)));
        }
    }
    Ok(first)
}

fn unwritable(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
