//! All documents of a generation in the order of their keys; and the note that is kept with it.

use cqrs_core::{DocumentPage, Generation, ListCursor, ProjectionName, ReadModelError};
use sqlx::Row;

use super::PgReadModel;
use super::names::Names;
use super::partition::document;
use crate::error::{is_missing, read_model_error};

impl PgReadModel {
    pub(super) async fn list_documents(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        // No key is empty: the first page begins after this one.
        let begun = after.map_or(Some((0, "")), ListCursor::partition_and_place);
        let unknown = || ReadModelError::Corrupt { what: "a cursor that this read model did not make".to_owned() };
        let (partition, key) = begun.ok_or_else(unknown)?;
        let limit = limit.max(1);
        let names = Names::new(self.schema(), projection)?;
        let list = names.render(include_str!("../../sql/read_model/list.sql"), generation);
        let list = self.sql().query(&list).bind(projection.as_str()).bind(i64::from(generation.get()));
        let list = list.bind(key).bind(i32::from(partition)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.sessions().fetch_all(list).await.map_err(|error| match is_missing(&error) {
            true => ReadModelError::NotFound { generation },
            false => read_model_error(error),
        })?;
        let mut page = DocumentPage::default();
        for row in &rows {
            let (key, document) = document(row).map_err(read_model_error)?;
            page.documents.push((key.to_owned(), document));
        }
        match (rows.last(), page.documents.last()) {
            (Some(row), Some((key, _))) if rows.len() == limit => {
                let partition: i32 = row.try_get(3).map_err(read_model_error)?;
                let partition = u16::try_from(partition).map_err(|_| unknown())?;
                page.next = Some(ListCursor::in_partition(partition, key));
            }
            // One that was dropped looks as if it ended here.
            _ => {
                let all = self.list(projection).await?;
                all.contains(&generation).then_some(()).ok_or(ReadModelError::NotFound { generation })?;
            }
        }
        Ok(page)
    }

    pub(super) async fn keep_note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        let annotate = self.sql().query(&self.sql().annotate).bind(projection.as_str());
        let annotate = annotate.bind(i64::from(generation.get())).bind(note);
        let done = self.sessions().execute(annotate).await.map_err(read_model_error)?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(ReadModelError::NotFound { generation }) }
    }

    pub(super) async fn find_note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        let note = self.sql().query(&self.sql().note).bind(projection.as_str()).bind(i64::from(generation.get()));
        let row = self.sessions().fetch_optional(note).await.map_err(read_model_error)?;
        row.map_or(Ok(None), |row| row.try_get(0).map_err(read_model_error))
    }
}
