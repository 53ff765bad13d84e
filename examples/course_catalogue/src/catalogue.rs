//! The catalogue: one document for each course, joined with its instructor.

use std::collections::BTreeSet;

use cqrs_core::{EventSet, Recorded, Timestamp};
use cqrs_projections::{Field, JoinProjector, Lookups, Mapping, ProjectError};
use serde::{Deserialize, Serialize};

use crate::course::{Content, CourseEvent};
use crate::instructor::InstructorEvent;

/// The name of the projection.
pub const CATALOGUE: &str = "catalogue";

/// What the catalogue is made of.
#[derive(Debug, EventSet)]
pub enum CatalogueEvent {
    Course(CourseEvent),
    Instructor(InstructorEvent),
}

/// What is shown of a course.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CourseView {
    pub id: String,
    pub title: String,
    pub description: String,
    pub instructor_id: String,
    /// None as long as the instructor has not arrived.
    pub instructor_name: Option<String>,
    pub instructor_avatar: Option<String>,
    pub price: u64,
    /// The mean of all reviews, 0 without any.
    pub rating: f64,
    /// The stars of all reviews together: the rating is exact, however many there are.
    pub stars: u64,
    pub total_students: u64,
    pub total_reviews: u64,
    pub categories: Vec<String>,
    pub tags: Vec<String>,
    pub thumbnail_url: String,
    /// When the last event happened that changed it.
    pub last_updated: Timestamp,
}

/// What courses look up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Teaching {
    name: Option<String>,
    avatar: Option<String>,
    courses: BTreeSet<String>,
}

/// Folds the events of courses and instructors into the catalogue.
#[derive(Debug)]
pub struct Catalogue;

/// What can be searched for, and how.
pub fn mapping() -> Mapping {
    Mapping::new()
        .field("title", Field::text())
        .field("description", Field::text())
        .field("tags", Field::text())
        .field("categories", Field::keyword())
        .field("instructorName", Field::text())
        .field("price", Field::long())
        .field("rating", Field::double())
        .field("totalStudents", Field::long())
        .field("totalReviews", Field::long())
        .field("lastUpdated", Field::date())
}

impl JoinProjector for Catalogue {
    type Event = CatalogueEvent;
    type Lookup = Teaching;
    type Document = CourseView;

    fn lookups(&self, event: &Recorded<CatalogueEvent>, to: &mut Vec<String>) {
        match &event.event {
            CatalogueEvent::Course(CourseEvent::Created { instructor_id, .. }) => to.push(instructor_id.clone()),
            CatalogueEvent::Course(_) => {}
            CatalogueEvent::Instructor(_) => to.push(event.stream.id().to_owned()),
        }
    }

    fn look_up(
        &self,
        event: &Recorded<CatalogueEvent>,
        _: &str,
        lookup: Option<Teaching>,
    ) -> Result<Option<Teaching>, ProjectError> {
        let mut teaching = lookup.unwrap_or_default();
        match &event.event {
            CatalogueEvent::Course(_) => drop(teaching.courses.insert(event.stream.id().to_owned())),
            CatalogueEvent::Instructor(InstructorEvent::Registered { name, avatar }) => {
                (teaching.name, teaching.avatar) = (Some(name.clone()), Some(avatar.clone()));
            }
            CatalogueEvent::Instructor(InstructorEvent::Renamed { name }) => teaching.name = Some(name.clone()),
            CatalogueEvent::Instructor(InstructorEvent::AvatarChanged { avatar }) => {
                teaching.avatar = Some(avatar.clone());
            }
        }
        Ok(Some(teaching))
    }

    fn route(&self, event: &Recorded<CatalogueEvent>, lookups: &Lookups<'_, Teaching>, to: &mut Vec<String>) {
        let id = event.stream.id();
        match &event.event {
            CatalogueEvent::Course(_) => to.push(id.to_owned()),
            CatalogueEvent::Instructor(_) => {
                to.extend(lookups.get(id).iter().flat_map(|teaching| teaching.courses.iter().cloned()));
            }
        }
    }

    fn project(
        &self,
        event: &Recorded<CatalogueEvent>,
        key: &str,
        document: Option<CourseView>,
        lookups: &Lookups<'_, Teaching>,
    ) -> Result<Option<CourseView>, ProjectError> {
        let mut view = match (&event.event, document) {
            (CatalogueEvent::Course(CourseEvent::Created { title, instructor_id, price, content }), _) => {
                created(key, title, instructor_id, *price, content, event.happened_at())
            }
            (_, Some(view)) => view,
            (_, None) => return Err(ProjectError::new("the course was never created")),
        };
        match &event.event {
            CatalogueEvent::Course(CourseEvent::PriceUpdated { new_price, .. }) => view.price = *new_price,
            CatalogueEvent::Course(CourseEvent::Enrolled { .. }) => view.total_students += 1,
            CatalogueEvent::Course(CourseEvent::Reviewed { stars, .. }) => {
                view.total_reviews += 1;
                view.stars += u64::from(*stars);
                view.rating = view.stars as f64 / view.total_reviews as f64;
            }
            CatalogueEvent::Course(CourseEvent::Created { .. }) | CatalogueEvent::Instructor(_) => {}
        }
        let teaching = lookups.get(&view.instructor_id);
        view.instructor_name = teaching.as_ref().and_then(|teaching| teaching.name.clone());
        view.instructor_avatar = teaching.as_ref().and_then(|teaching| teaching.avatar.clone());
        view.last_updated = view.last_updated.max(event.happened_at());
        Ok(Some(view))
    }
}

fn created(id: &str, title: &str, instructor: &str, price: u64, content: &Content, at: Timestamp) -> CourseView {
    let Content { description, categories, tags, thumbnail_url } = content.clone();
    CourseView {
        id: id.to_owned(),
        title: title.to_owned(),
        description,
        instructor_id: instructor.to_owned(),
        instructor_name: None,
        instructor_avatar: None,
        price,
        rating: 0.0,
        stars: 0,
        total_students: 0,
        total_reviews: 0,
        categories,
        tags,
        thumbnail_url,
        last_updated: at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_projections::testing::{event, given_join};

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn course(id: &str, happened: &CourseEvent, time: &str) -> cqrs_core::NewEvent {
        event(&format!("course-{id}"), happened).occurred_at(at(time))
    }

    fn instructor(happened: &InstructorEvent, time: &str) -> cqrs_core::NewEvent {
        event("instructor-i1", happened).occurred_at(at(time))
    }

    fn creation() -> CourseEvent {
        let (title, instructor_id) = ("Rust".to_owned(), "i1".to_owned());
        CourseEvent::Created { title, instructor_id, price: 5, content: Content::default() }
    }

    #[test]
    fn an_instructor_who_arrives_late_fills_in_and_a_rename_is_followed() {
        let registered = InstructorEvent::Registered { name: "An".to_owned(), avatar: "an.png".to_owned() };
        let renamed = InstructorEvent::Renamed { name: "Anh".to_owned() };
        let start = "2024-01-01T00:00:00Z";
        let view = |id: &str, name: &str, updated| CourseView {
            instructor_name: Some(name.to_owned()),
            instructor_avatar: Some("an.png".to_owned()),
            last_updated: at(updated),
            ..created(id, "Rust", "i1", 5, &Content::default(), at(start))
        };
        let _ = given_join(
            Catalogue,
            [
                course("c1", &creation(), start),
                instructor(&registered, "2024-01-02T00:00:00Z"),
                course("c2", &creation(), start),
                instructor(&renamed, "2024-01-03T00:00:00Z"),
            ],
        )
        .then_documents([
            ("c1", view("c1", "Anh", "2024-01-03T00:00:00Z")),
            ("c2", view("c2", "Anh", "2024-01-03T00:00:00Z")),
        ]);
    }

    #[test]
    fn students_and_reviews_are_counted() {
        let review = |student: &str, stars| CourseEvent::Reviewed { student: student.to_owned(), stars };
        let start = "2024-01-01T00:00:00Z";
        let expected = CourseView {
            price: 7,
            rating: 4.5,
            stars: 9,
            total_students: 1,
            total_reviews: 2,
            ..created("c1", "Rust", "i1", 5, &Content::default(), at(start))
        };
        let updated = CourseEvent::PriceUpdated { old_price: 5, new_price: 7, reason: "demand".to_owned() };
        let enrolled = CourseEvent::Enrolled { student: "a".to_owned() };
        let events = [creation(), enrolled, review("a", 4), review("b", 5), updated];
        let _ = given_join(Catalogue, events.map(|event| course("c1", &event, start))).then_document("c1", &expected);
    }
}
