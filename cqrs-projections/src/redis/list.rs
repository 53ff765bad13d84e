//! All documents of a generation, by the indexes of its partitions; and the note that is kept with it.

use cqrs_core::{DocumentPage, Generation, ListCursor, Partitions, ProjectionName, ReadModelError, Target};
use redis::cmd;

use super::RedisReadModel;
use super::connection::Request;
use super::script::{ANNOTATE, Reply};

impl RedisReadModel {
    /// `SSCAN` gives what is in the index throughout at least once, whatever is added or removed meanwhile.
    pub(super) async fn list_documents(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        let begun = after.map_or(Some((0, "0")), ListCursor::partition_and_place);
        let unknown = || ReadModelError::Corrupt { what: "a cursor that this read model did not make".to_owned() };
        let (partition, cursor) = begun.ok_or_else(unknown)?;
        let target = Target { projection: projection.clone(), generation, partition };
        let mut scan = cmd("SSCAN");
        scan.arg(self.prefix.partition(&target).index()).arg(cursor).arg("COUNT").arg(limit.max(1));
        let (next, keys): (String, Vec<String>) = self.connection.send(Request::Command(&scan)).await?;
        let found = self.find(&target, &keys).await?;
        // Looked at last: of a generation that is being dropped something may be missing.
        let partitions = self.partitions_of(projection, generation).await?;
        let next = match next.as_str() {
            "0" if partition + 1 < partitions.get() => Some(ListCursor::in_partition(partition + 1, "0")),
            "0" => None,
            next => Some(ListCursor::in_partition(partition, next)),
        };
        let documents = keys.into_iter().zip(found).filter_map(|(key, document)| Some((key, document?)));
        Ok(DocumentPage { documents: documents.collect(), next })
    }

    async fn partitions_of(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Partitions, ReadModelError> {
        let mut get = cmd("HMGET");
        get.arg(self.prefix.registry(projection));
        get.arg(format!("generation:{generation}")).arg(format!("partitions:{generation}"));
        let (state, count): (Option<String>, Option<u16>) = self.connection.send(Request::Command(&get)).await?;
        if state.as_deref() != Some("open") {
            return Err(ReadModelError::NotFound { generation });
        }
        let corrupt = |error| ReadModelError::Corrupt { what: format!("generation {generation}: {error}") };
        count.map_or(Ok(Partitions::ONE), Partitions::new).map_err(corrupt)
    }

    pub(super) async fn keep_note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        let mut script = ANNOTATE.key(self.prefix.registry(projection));
        script.arg(generation.get()).arg(note);
        let words: Vec<String> = self.connection.send(Request::Script(&script)).await?;
        match Reply::try_from(words)? {
            Reply::Ok(_) => Ok(()),
            _ => Err(ReadModelError::NotFound { generation }),
        }
    }

    pub(super) async fn find_note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        let mut get = cmd("HGET");
        get.arg(self.prefix.registry(projection)).arg(format!("note:{generation}"));
        self.connection.send(Request::Command(&get)).await
    }
}
