//! The service over HTTP.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use cqrs_core::{Context, ExecuteError, Executed};
use cqrs_projections::SearchError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalogue::CourseView;
use crate::course::{CourseError, CreateCourse, Enrol, Review, UpdateCoursePrice};
use crate::instructor::{Change, InstructorError, Register};
use crate::search::{Found, Search};
use crate::service::{QueryError, Service};

/// All routes.
///
/// A command answers with the position of its last event; a query with `after=` that position shows what the command did.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/courses", post(create).get(search))
        .route("/courses/{id}", get(details))
        .route("/courses/{id}/price", put(update_price))
        .route("/courses/{id}/enrolments", post(enrol))
        .route("/courses/{id}/reviews", post(review))
        .route("/instructors", post(register))
        .route("/instructors/{id}", put(change))
        .with_state(service)
}

type Answer<T = Response> = Result<T, Refusal>;

async fn create(State(service): State<Arc<Service>>, Json(command): Json<CreateCourse>) -> Answer {
    let id = command.course_id.clone();
    let executed = service.course(&id, command, Context::new()).await?;
    Ok((StatusCode::CREATED, done(&executed)).into_response())
}

async fn update_price(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Json(command): Json<UpdateCoursePrice>,
) -> Answer<Json<Value>> {
    Ok(done(&service.course(&id, command, Context::new()).await?))
}

async fn enrol(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Json(command): Json<Enrol>,
) -> Answer<Json<Value>> {
    Ok(done(&service.course(&id, command, Context::new()).await?))
}

async fn review(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Json(command): Json<Review>,
) -> Answer<Json<Value>> {
    Ok(done(&service.course(&id, command, Context::new()).await?))
}

async fn register(State(service): State<Arc<Service>>, Json(command): Json<Register>) -> Answer {
    let id = command.instructor_id.clone();
    let executed = service.instructor(&id, command, Context::new()).await?;
    Ok((StatusCode::CREATED, done(&executed)).into_response())
}

async fn change(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Json(command): Json<Change>,
) -> Answer<Json<Value>> {
    Ok(done(&service.instructor(&id, command, Context::new()).await?))
}

async fn search(State(service): State<Arc<Service>>, Query(search): Query<Search>) -> Answer<Json<Found>> {
    Ok(Json(service.search(&search).await?))
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
}

async fn details(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Query(After { after }): Query<After>,
) -> Answer<Json<CourseView>> {
    match service.details(&id, after).await? {
        Some(course) => Ok(Json(course)),
        None => Err(Refusal(StatusCode::NOT_FOUND, CourseError::CourseNotFound.to_string())),
    }
}

fn done(executed: &Executed) -> Json<Value> {
    Json(json!({ "id": executed.stream.id(), "position": executed.position.get() }))
}

/// An error as its status and what is said about it.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// What the domain refuses, as a status.
trait Refused: std::error::Error + Send + Sync + 'static {
    fn status(&self) -> StatusCode;
}

impl Refused for CourseError {
    fn status(&self) -> StatusCode {
        match self {
            Self::CourseNotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists
            | Self::AlreadyEnrolled { .. }
            | Self::AlreadyReviewed { .. }
            | Self::NotEnrolled { .. } => StatusCode::CONFLICT,
            Self::Missing(_) | Self::Stars(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl Refused for InstructorError {
    fn status(&self) -> StatusCode {
        match self {
            Self::InstructorNotFound => StatusCode::NOT_FOUND,
            Self::AlreadyRegistered => StatusCode::CONFLICT,
            Self::NoName => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl<E: Refused> From<ExecuteError<E>> for Refusal {
    fn from(error: ExecuteError<E>) -> Self {
        let status = match &error {
            ExecuteError::Domain(refused) => refused.status(),
            ExecuteError::Conflict { .. } => StatusCode::CONFLICT,
            ExecuteError::Transient(_) | ExecuteError::Unknown { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        let status = match &error {
            QueryError::Search(SearchError::Invalid(_)) => StatusCode::BAD_REQUEST,
            QueryError::Search(error) if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::ReadModel(error) if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::Behind(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}
