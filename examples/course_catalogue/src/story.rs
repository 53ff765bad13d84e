//! Five courses and what happens to them, told with every query, each figure checked.

use std::error::Error;
use std::io::Write;

use cqrs_core::{CommandId, Context, ExecuteError, Executed, GlobalPosition, Handle, Timestamp};
use showcase::Report;

use crate::course::{Content, Course, CourseError, CreateCourse, Enrol, Review, UpdateCoursePrice};
use crate::instructor::{Change, Instructor, InstructorError, Register};
use crate::search::{Search, Sort};
use crate::service::Service;

type Outcome = Result<(), Box<dyn Error>>;

/// What a course is to begin with, and the stars of its reviews.
struct Told {
    id: &'static str,
    title: &'static str,
    description: &'static str,
    tags: &'static [&'static str],
    category: &'static str,
    price: u64,
    stars: &'static [u8],
}

const COURSES: [Told; 5] = [
    Told {
        id: "rust-101",
        title: "Rust for beginners",
        description: "Ownership without tears",
        tags: &["rust"],
        category: "programming",
        price: 499_999,
        stars: &[5, 4],
    },
    Told {
        id: "rust-async",
        title: "Asynchronous Rust",
        description: "Futures, streams and executors",
        tags: &["rust", "async"],
        category: "programming",
        price: 500_000,
        stars: &[5, 5, 4],
    },
    Told {
        id: "sql-101",
        title: "SQL from scratch",
        description: "Tables for people who know Rust",
        tags: &["database"],
        category: "databases",
        price: 999_999,
        stars: &[4, 4],
    },
    Told {
        id: "es-101",
        title: "Event sourcing",
        description: "Append only, and read in many ways",
        tags: &["architecture"],
        category: "architecture",
        price: 1_000_000,
        stars: &[5, 5],
    },
    Told {
        id: "go-101",
        title: "Go in a week",
        description: "Small programs that do one thing",
        tags: &["go"],
        category: "programming",
        price: 1_500_000,
        stars: &[],
    },
];

/// Tells the story to one service.
pub struct Story<'a, W> {
    service: &'a Service,
    report: &'a mut Report<W>,
    commands: u32,
    written: GlobalPosition,
    /// Whether an earlier run has told it.
    again: bool,
}

impl<'a, W: Write> Story<'a, W> {
    pub const fn new(service: &'a Service, report: &'a mut Report<W>) -> Self {
        Self { service, report, commands: 0, written: GlobalPosition::START, again: false }
    }

    pub async fn tell(mut self) -> Outcome {
        self.report.part("five courses, their instructor as yet unknown")?;
        self.courses().await?;
        if self.again {
            self.report.say("  (the story was told before: this is how it ended)")?;
            self.taught_by("Nguyễn Ánh").await?;
        } else {
            let course = self.course("rust-101").await?.ok_or("the course is missing")?;
            self.report.check("nobody teaches yet", &course.instructor_name, &None);
            self.instructor_arrives_and_changes_name().await?;
            self.searches().await?;
            self.facets().await?;
            self.price_changes().await?;
        }
        let missing = self.course("no-such-course").await?;
        self.report.check("a missing course is none", &missing.is_none(), &true);
        Ok(())
    }

    async fn courses(&mut self) -> Outcome {
        for Told { id, title, description, tags, category, price, stars } in COURSES {
            let content = Content {
                description: description.to_owned(),
                categories: vec![category.to_owned()],
                tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
                thumbnail_url: format!("https://example.org/{id}.png"),
            };
            let (course_id, title, instructor_id) = (id.to_owned(), title.to_owned(), "ins-1".to_owned());
            self.tell_course(id, CreateCourse { course_id, title, instructor_id, price, content }).await?;
            for (number, stars) in stars.iter().enumerate() {
                let student = format!("student-{number}");
                self.tell_course(id, Enrol { student: student.clone() }).await?;
                self.tell_course(id, Review { student, stars: *stars }).await?;
            }
        }
        self.tell_course("es-101", Enrol { student: "student-9".to_owned() }).await?;
        Ok(())
    }

    async fn instructor_arrives_and_changes_name(&mut self) -> Outcome {
        self.report.part("the instructor arrives, and changes the name")?;
        let (instructor_id, name) = ("ins-1".to_owned(), "Nguyễn An".to_owned());
        self.tell_instructor("ins-1", Register { instructor_id, name, avatar: "an.png".to_owned() }).await?;
        self.taught_by("Nguyễn An").await?;
        let name = Some("Nguyễn Ánh".to_owned());
        self.tell_instructor("ins-1", Change { name, avatar: None }).await?;
        self.taught_by("Nguyễn Ánh").await
    }

    async fn taught_by(&mut self, name: &str) -> Outcome {
        for Told { id, .. } in COURSES {
            let course = self.course(id).await?.ok_or("the course is missing")?;
            self.report.check(format_args!("who teaches {id}"), &course.instructor_name.as_deref(), &Some(name));
            self.report.check(
                format_args!("the picture on {id}"),
                &course.instructor_avatar.as_deref(),
                &Some("an.png"),
            );
        }
        self.report.say(format_args!("  all {} courses are taught by {name}", COURSES.len()))?;
        Ok(())
    }

    async fn searches(&mut self) -> Outcome {
        self.report.part("searches")?;
        let all = Search::default();
        let rated = ["es-101", "rust-async", "rust-101", "sql-101", "go-101"];
        self.found("everything, the best rated first", &all, &rated).await?;
        let keyword = |keyword: &str| Search { keyword: keyword.to_owned(), ..Search::default() };
        self.found("rust", &keyword("rust"), &["rust-async", "rust-101", "sql-101"]).await?;
        self.found("with a mistake: asynchronuos", &keyword("asynchronuos"), &["rust-async"]).await?;
        let relevant = Search { sort: Sort::Relevance, ..keyword("scratch tears") };
        self.found("a title counts more than a description", &relevant, &["sql-101", "rust-101"]).await?;
        let category = Some("programming".to_owned());
        let category = Search { category, ..Search::default() };
        self.found("programming", &category, &["rust-async", "rust-101", "go-101"]).await?;
        let priced = Search { min_price: Some(500_000), max_price: Some(1_000_000), ..Search::default() };
        self.found("from 500,000 to 1,000,000", &priced, &["es-101", "rust-async", "sql-101"]).await?;
        let good = Search { min_rating: 4.5, ..Search::default() };
        self.found("4.5 stars and more", &good, &["es-101", "rust-async", "rust-101"]).await?;
        let page = |page| Search { page, limit: 2, ..Search::default() };
        self.found("page 1 of two each", &page(1), &rated[..2]).await?;
        self.found("page 3 of two each", &page(3), &rated[4..]).await?;
        Ok(())
    }

    async fn found(&mut self, what: &str, search: &Search, expected: &[&str]) -> Outcome {
        let found = self.service.search(&self.after(search)).await?;
        let ids: Vec<_> = found.courses.iter().map(|found| found.course.id.as_str()).collect();
        self.report.check(what, &ids, &expected.to_vec());
        self.report.say(format_args!("  {what:40} {}", ids.join(", ")))?;
        Ok(())
    }

    async fn facets(&mut self) -> Outcome {
        self.report.part("facets")?;
        let found = self.service.search(&self.after(&Search::default())).await?;
        let mut categories = found.categories;
        categories.sort();
        let count = |name: &str, count| (name.to_owned(), count);
        let expected = vec![count("architecture", 1), count("databases", 1), count("programming", 3)];
        self.report.check("categories", &categories, &expected);
        self.report.check("below 500,000, to 1,000,000, above", &found.prices, &vec![1, 2, 2]);
        self.report.say(format_args!("  prices {:?}, categories {categories:?}", found.prices))?;
        Ok(())
    }

    async fn price_changes(&mut self) -> Outcome {
        self.report.part("a price changes")?;
        let before = self.course("go-101").await?.ok_or("the course is missing")?.price;
        let update = UpdateCoursePrice { new_price: 450_000, reason: "spring sale".to_owned() };
        self.tell_course("go-101", update.clone()).await?;
        let after = self.course("go-101").await?.ok_or("the course is missing")?.price;
        self.report.check("the price after the sale", &after, &450_000);
        self.report.say(format_args!("  go-101 costs {after}, and did cost {before}"))?;
        let refused = self.service.course("no-such-course", update, Context::new()).await;
        let not_found = matches!(refused, Err(ExecuteError::Domain(CourseError::CourseNotFound)));
        self.report.check("a course that is not there has no price", &not_found, &true);
        Ok(())
    }

    async fn course(&self, id: &str) -> Result<Option<crate::catalogue::CourseView>, Box<dyn Error>> {
        Ok(self.service.details(id, Some(self.written.get())).await?)
    }

    fn after(&self, search: &Search) -> Search {
        Search { after: Some(self.written.get()), ..search.clone() }
    }

    async fn tell_course<C>(&mut self, id: &str, command: C) -> Result<(), ExecuteError<CourseError>>
    where
        Course: Handle<C>,
        C: Send + Sync + 'static,
    {
        let context = self.context();
        let executed = self.service.course(id, command, context).await?;
        self.done(&executed);
        Ok(())
    }

    async fn tell_instructor<C>(&mut self, id: &str, command: C) -> Result<(), ExecuteError<InstructorError>>
    where
        Instructor: Handle<C>,
        C: Send + Sync + 'static,
    {
        let context = self.context();
        let executed = self.service.instructor(id, command, context).await?;
        self.done(&executed);
        Ok(())
    }

    /// The number of the command makes its id: a program that runs again does nothing twice.
    fn context(&mut self) -> Context {
        self.commands += 1;
        // 2024-01-01T00:00:00Z and as many seconds.
        let occurred = Timestamp::from_micros(1_704_067_200_000_000 + i64::from(self.commands) * 1_000_000);
        let id = CommandId::named(occurred, &format!("course_catalogue:{}", self.commands));
        Context::new().command_id(id).occurred_at(occurred).actor("story").source("course_catalogue")
    }

    fn done(&mut self, executed: &Executed) {
        self.written = self.written.max(executed.position);
        self.again |= executed.repeated;
    }
}
