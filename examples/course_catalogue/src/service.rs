//! The catalogue as a service: commands on one side, queries on the other.

use std::time::Duration;

use cqrs_core::{Context, ExecuteError, Executed, GlobalPosition, Handle, ProjectionName, ReadModelError, Repository};
use cqrs_projections::{CacheAside, ElasticReadModel, ElasticSearch, Running, SearchError, WaitError};

use crate::catalogue::CourseView;
use crate::course::{Course, CourseError};
use crate::instructor::{Instructor, InstructorError};
use crate::search::{Found, Search};

/// How long a query waits for what was written before it.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Commands and queries.
pub struct Service {
    pub courses: Repository<Course>,
    pub instructors: Repository<Instructor>,
    pub running: Running,
    pub model: ElasticReadModel,
    pub search: ElasticSearch<CourseView>,
    pub details: CacheAside<CourseView>,
    pub projection: ProjectionName,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    ReadModel(#[from] ReadModelError),
    #[error(transparent)]
    Behind(#[from] WaitError),
}

impl Service {
    /// Tells a course what to do.
    pub async fn course<C>(&self, id: &str, command: C, context: Context) -> Result<Executed, ExecuteError<CourseError>>
    where
        Course: Handle<C>,
        C: Send + Sync + 'static,
    {
        self.courses.execute_with(&id.to_owned(), command, context).await
    }

    /// Tells an instructor what to do.
    pub async fn instructor<C>(
        &self,
        id: &str,
        command: C,
        context: Context,
    ) -> Result<Executed, ExecuteError<InstructorError>>
    where
        Instructor: Handle<C>,
        C: Send + Sync + 'static,
    {
        self.instructors.execute_with(&id.to_owned(), command, context).await
    }

    /// Courses that fit a search.
    pub async fn search(&self, search: &Search) -> Result<Found, QueryError> {
        if let Some(position) = search.after {
            self.wait_for(GlobalPosition::new(position)).await?;
            // What is stored is not yet found: that takes a refresh.
            self.model.refresh_now(&self.projection).await?;
        }
        Ok(self.search.page(&search.query()).await?.into())
    }

    /// One course, from the cache where it is there; none when there is no such course.
    pub async fn details(&self, id: &str, after: Option<u64>) -> Result<Option<CourseView>, QueryError> {
        if let Some(position) = after {
            self.wait_for(GlobalPosition::new(position)).await?;
        }
        Ok(self.details.get(id).await?)
    }

    /// Waits until queries show what was written up to a position.
    pub async fn wait_for(&self, position: GlobalPosition) -> Result<(), WaitError> {
        self.running.wait_for(position, CATCH_UP).await.map(drop)
    }
}
