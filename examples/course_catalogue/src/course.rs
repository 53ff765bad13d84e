//! The course: an aggregate.

use std::collections::BTreeSet;

use cqrs_core::{Aggregate, Apply, DomainEvent, Handle};
use serde::{Deserialize, Serialize};

/// What a course is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Content {
    pub description: String,
    pub categories: Vec<String>,
    pub tags: Vec<String>,
    pub thumbnail_url: String,
}

/// What happens to a course. Prices are whole đồng.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
pub enum CourseEvent {
    Created { title: String, instructor_id: String, price: u64, content: Content },
    PriceUpdated { old_price: u64, new_price: u64, reason: String },
    Enrolled { student: String },
    Reviewed { student: String, stars: u8 },
}

/// How far a course has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Missing,
    Draft,
}

/// What a course needs to know to decide.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "course", id = String, event = CourseEvent, error = CourseError, snapshot(every = 100, version = 1))]
pub struct Course {
    status: Status,
    price: u64,
    students: BTreeSet<String>,
    reviewers: BTreeSet<String>,
}

impl Apply for Course {
    fn apply(&mut self, event: &CourseEvent) {
        match event {
            CourseEvent::Created { price, .. } => (self.status, self.price) = (Status::Draft, *price),
            CourseEvent::PriceUpdated { new_price, .. } => self.price = *new_price,
            CourseEvent::Enrolled { student } => drop(self.students.insert(student.clone())),
            CourseEvent::Reviewed { student, .. } => drop(self.reviewers.insert(student.clone())),
        }
    }
}

/// Why a course refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CourseError {
    #[error("there is no such course")]
    CourseNotFound,
    #[error("the course exists already")]
    AlreadyExists,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{student} is enrolled already")]
    AlreadyEnrolled { student: String },
    #[error("{student} is not enrolled")]
    NotEnrolled { student: String },
    #[error("{student} has reviewed the course already")]
    AlreadyReviewed { student: String },
    #[error("a review has 1 to 5 stars, not {0}")]
    Stars(u8),
}

/// A new course, as a draft.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCourse {
    pub course_id: String,
    pub title: String,
    pub instructor_id: String,
    pub price: u64,
    #[serde(default)]
    pub content: Content,
}

/// Another price.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateCoursePrice {
    pub new_price: u64,
    pub reason: String,
}

/// One more student.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    pub student: String,
}

/// What a student thinks of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    pub student: String,
    pub stars: u8,
}

impl Course {
    fn exists(&self) -> Result<(), CourseError> {
        match self.status {
            Status::Missing => Err(CourseError::CourseNotFound),
            Status::Draft => Ok(()),
        }
    }
}

fn given(what: &'static str, text: &str) -> Result<(), CourseError> {
    if text.trim().is_empty() { Err(CourseError::Missing(what)) } else { Ok(()) }
}

impl Handle<CreateCourse> for Course {
    fn handle(&self, command: &CreateCourse) -> Result<Vec<CourseEvent>, CourseError> {
        if self.exists().is_ok() {
            return Err(CourseError::AlreadyExists);
        }
        given("the title", &command.title)?;
        given("the instructor", &command.instructor_id)?;
        let CreateCourse { title, instructor_id, price, content, .. } = command.clone();
        Ok(vec![CourseEvent::Created { title, instructor_id, price, content }])
    }
}

impl Handle<UpdateCoursePrice> for Course {
    fn handle(&self, command: &UpdateCoursePrice) -> Result<Vec<CourseEvent>, CourseError> {
        self.exists()?;
        given("the reason", &command.reason)?;
        let UpdateCoursePrice { new_price, reason } = command.clone();
        if new_price == self.price {
            return Ok(Vec::new());
        }
        Ok(vec![CourseEvent::PriceUpdated { old_price: self.price, new_price, reason }])
    }
}

impl Handle<Enrol> for Course {
    fn handle(&self, command: &Enrol) -> Result<Vec<CourseEvent>, CourseError> {
        self.exists()?;
        given("the student", &command.student)?;
        let student = command.student.clone();
        if self.students.contains(&student) {
            return Err(CourseError::AlreadyEnrolled { student });
        }
        Ok(vec![CourseEvent::Enrolled { student }])
    }
}

impl Handle<Review> for Course {
    fn handle(&self, command: &Review) -> Result<Vec<CourseEvent>, CourseError> {
        self.exists()?;
        let Review { student, stars } = command.clone();
        if !self.students.contains(&student) {
            return Err(CourseError::NotEnrolled { student });
        }
        if self.reviewers.contains(&student) {
            return Err(CourseError::AlreadyReviewed { student });
        }
        if !(1..=5).contains(&stars) {
            return Err(CourseError::Stars(stars));
        }
        Ok(vec![CourseEvent::Reviewed { student, stars }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_testkit::given;

    fn create() -> CreateCourse {
        let (course_id, title, instructor_id) = ("c1".to_owned(), "Rust".to_owned(), "i1".to_owned());
        CreateCourse { course_id, title, instructor_id, price: 500_000, content: Content::default() }
    }

    fn created() -> CourseEvent {
        let CreateCourse { title, instructor_id, price, content, .. } = create();
        CourseEvent::Created { title, instructor_id, price, content }
    }

    fn enrolled(student: &str) -> CourseEvent {
        CourseEvent::Enrolled { student: student.to_owned() }
    }

    fn update(new_price: u64) -> UpdateCoursePrice {
        UpdateCoursePrice { new_price, reason: "spring sale".to_owned() }
    }

    #[test]
    fn a_price_that_changes_names_the_one_before() {
        let expected =
            CourseEvent::PriceUpdated { old_price: 500_000, new_price: 300_000, reason: "spring sale".to_owned() };
        given::<Course>([created()]).when(update(300_000)).then([expected]);
        given::<Course>([created()]).when(update(500_000)).then_nothing();
    }

    #[test]
    fn a_course_that_is_not_there_can_only_be_created() {
        given::<Course>([]).when(update(1)).then_error(CourseError::CourseNotFound);
        given::<Course>([]).when(create()).then([created()]);
        given::<Course>([created()]).when(create()).then_error(CourseError::AlreadyExists);
        given::<Course>([])
            .when(CreateCourse { title: " ".to_owned(), ..create() })
            .then_error(CourseError::Missing("the title"));
    }

    #[test]
    fn students_enrol_once_and_review_once() {
        let review = |stars| Review { student: "an".to_owned(), stars };
        given::<Course>([created(), enrolled("an")])
            .when(Enrol { student: "an".to_owned() })
            .then_error(CourseError::AlreadyEnrolled { student: "an".to_owned() });
        given::<Course>([created()]).when(review(5)).then_error(CourseError::NotEnrolled { student: "an".to_owned() });
        given::<Course>([created(), enrolled("an")]).when(review(6)).then_error(CourseError::Stars(6));
        let reviewed = CourseEvent::Reviewed { student: "an".to_owned(), stars: 4 };
        given::<Course>([created(), enrolled("an")]).when(review(4)).then([reviewed.clone()]);
        given::<Course>([created(), enrolled("an"), reviewed])
            .when(review(5))
            .then_error(CourseError::AlreadyReviewed { student: "an".to_owned() });
    }
}
