//! Courses that show the name of their instructor.

use std::time::Duration;

use cqrs_core::{
    Append, Backoff, Documents, DomainEvent, EventSet, EventStore, GlobalPosition, NewEvent, Recorded, StreamName,
};
use cqrs_postgres::PgEventStore;
use cqrs_projections::{
    CacheAside, ElasticReadModel, JoinProjector, Lookups, ProjectError, Projections, RedisReadModel, RetryTransient,
    Running, Touches,
};
use cqrs_tests::database::Database;
use cqrs_tests::proxy::Proxy;
use cqrs_tests::sink::{Corner, Service, Sink};
use serde::{Deserialize, Serialize};

pub const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
pub enum CourseEvent {
    Created { instructor: String },
    Priced { price: u64 },
}

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "instructor")]
pub enum InstructorEvent {
    Named { name: String },
}

#[derive(Debug, EventSet)]
pub enum CatalogueEvent {
    Course(CourseEvent),
    Instructor(InstructorEvent),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Instructor {
    name: Option<String>,
    courses: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Course {
    pub instructor: String,
    pub instructor_name: Option<String>,
    pub price: u64,
}

pub struct Catalogue;

impl JoinProjector for Catalogue {
    type Event = CatalogueEvent;
    type Lookup = Instructor;
    type Document = Course;

    fn lookups(&self, event: &Recorded<CatalogueEvent>, to: &mut Vec<String>) {
        match &event.event {
            CatalogueEvent::Course(CourseEvent::Created { instructor }) => to.push(instructor.clone()),
            CatalogueEvent::Course(CourseEvent::Priced { .. }) => {}
            CatalogueEvent::Instructor(_) => to.push(event.stream.id().to_owned()),
        }
    }

    fn look_up(
        &self,
        event: &Recorded<CatalogueEvent>,
        _: &str,
        lookup: Option<Instructor>,
    ) -> Result<Option<Instructor>, ProjectError> {
        let mut instructor = lookup.unwrap_or_default();
        match &event.event {
            CatalogueEvent::Course(_) => instructor.courses.push(event.stream.id().to_owned()),
            CatalogueEvent::Instructor(InstructorEvent::Named { name }) => instructor.name = Some(name.clone()),
        }
        Ok(Some(instructor))
    }

    fn route(&self, event: &Recorded<CatalogueEvent>, lookups: &Lookups<'_, Instructor>, to: &mut Vec<String>) {
        match &event.event {
            CatalogueEvent::Course(_) => to.push(event.stream.id().to_owned()),
            CatalogueEvent::Instructor(_) => {
                to.extend(lookups.get(event.stream.id()).iter().flat_map(|known| known.courses.iter().cloned()));
            }
        }
    }

    fn project(
        &self,
        event: &Recorded<CatalogueEvent>,
        _: &str,
        document: Option<Course>,
        lookups: &Lookups<'_, Instructor>,
    ) -> Result<Option<Course>, ProjectError> {
        let mut course = document.unwrap_or_default();
        match &event.event {
            CatalogueEvent::Course(CourseEvent::Created { instructor }) => course.instructor.clone_from(instructor),
            CatalogueEvent::Course(CourseEvent::Priced { price }) => course.price = *price,
            CatalogueEvent::Instructor(_) => {}
        }
        course.instructor_name = lookups.get(&course.instructor).and_then(|instructor| instructor.name.clone());
        Ok(Some(course))
    }
}

/// The services of one test, and what runs on them. Redis is reached through the proxy.
pub struct Shop {
    pub store: PgEventStore,
    pub running: Running,
    pub proxy: Proxy,
    pub courses: CacheAside<Course>,
    pub elastic: Documents<Course>,
    sinks: (Sink, Sink),
    _corners: (Corner, Corner),
    _database: Database,
}

impl Shop {
    pub async fn open() -> Self {
        let database = Database::new();
        let store = database.migrated().await;
        let corners = (Corner::new(Service::Elastic).await, Corner::new(Service::Redis).await);
        let sinks = (corners.0.sink.clone(), corners.1.sink.clone());
        let redis = url::Url::parse(sinks.1.url()).unwrap();
        let host = (redis.host_str().unwrap(), redis.port().unwrap_or(6379));
        let proxy = Proxy::before(tokio::net::lookup_host(host).await.unwrap().next().unwrap()).await;
        let sinks = (sinks.0, sinks.1.at(proxy.url(redis.as_str())));
        let courses = cache(&sinks).await;
        let quick = RetryTransient::new(Backoff::new(Duration::from_millis(10), Duration::from_millis(50)));
        let running = Projections::new(store.clone())
            .add_join("course-search", Catalogue, elastic(&sinks.0).await)
            .add_join("course-cache", Touches(Catalogue), courses.invalidation())
            .error_policy(quick)
            .start()
            .await
            .unwrap();
        let elastic = Documents::new(elastic(&sinks.0).await, "course-search").unwrap();
        Self { store, running, proxy, courses, elastic, sinks, _corners: corners, _database: database }
    }

    /// The cache as another process has it.
    pub async fn elsewhere(&self) -> CacheAside<Course> {
        cache(&self.sinks).await
    }

    pub async fn course(&self, id: &str, event: CourseEvent) -> GlobalPosition {
        let event = NewEvent::encode(StreamName::new(format!("course-{id}")).unwrap(), &event).unwrap();
        self.store.append(Append::new(vec![event])).await.unwrap().position
    }

    pub async fn instructor(&self, id: &str, name: &str) -> GlobalPosition {
        let event = InstructorEvent::Named { name: name.to_owned() };
        let event = NewEvent::encode(StreamName::new(format!("instructor-{id}")).unwrap(), &event).unwrap();
        self.store.append(Append::new(vec![event])).await.unwrap().position
    }
}

async fn elastic(sink: &Sink) -> ElasticReadModel {
    let Sink::Elastic { url, prefix } = sink else { panic!("{sink:?}") };
    ElasticReadModel::connect(url).await.unwrap().prefix(prefix).unwrap()
}

async fn cache(sinks: &(Sink, Sink)) -> CacheAside<Course> {
    let Sink::Redis { url, prefix } = &sinks.1 else { panic!("{sinks:?}") };
    let redis = RedisReadModel::connect(url).prefix(prefix).await.unwrap();
    let source = Documents::<Course>::new(elastic(&sinks.0).await, "course-search").unwrap();
    CacheAside::new(&redis, "course", source).unwrap()
}
