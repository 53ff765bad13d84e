//! The program, run as a user runs it, on the real services.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Stdio;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use showcase::place::{Place, Program, log, said};
use tokio::io::{AsyncBufReadExt, BufReader};

const CATALOGUE: Program = Program::new(env!("CARGO_BIN_EXE_course_catalogue"), "COURSE_CATALOGUE_SCHEMA");

#[tokio::test]
async fn every_figure_is_right_and_a_second_run_does_nothing_twice() {
    CATALOGUE
        .in_place(async |place| {
            let first = said(place.program().output().await.unwrap());
            for expected in [
                "  everything, the best rated first         es-101, rust-async, rust-101, sql-101, go-101\n",
                "  with a mistake: asynchronuos             rust-async\n",
                "  prices [1, 2, 2],",
                "  go-101 costs 450000, and did cost 1500000\n",
                "figures are as they should be\n",
            ] {
                assert!(first.contains(expected), "{expected:?} is not in\n{first}");
            }
            let events = log(&place.store().await).await;
            let again = said(place.program().output().await.unwrap());
            assert!(again.contains("(the story was told before: this is how it ended)\n"), "{again}");
            assert_eq!(log(&place.store().await).await, events);
        })
        .await;
}

/// The program behind HTTP, killed when the test ends.
struct Served {
    url: String,
    http: Client,
}

impl Served {
    async fn during(place: &Place, test: impl AsyncFnOnce(&Self)) {
        let mut program = place.program();
        let mut program = program.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        test(&Self { url, http: Client::new() }).await;
        program.kill().await.unwrap();
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// A command that is carried out, and the position of what it wrote.
    async fn done(&self, method: Method, path: &str, body: Value) -> u64 {
        let (status, answer) = self.ask(method, path, Some(body)).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer["position"].as_u64().unwrap()
    }
}

fn course(id: &str, price: u64) -> Value {
    json!({
        "courseId": id, "title": format!("Course {id}"), "instructorId": "i1", "price": price,
        "content": { "categories": ["programming"], "tags": ["rust"] },
    })
}

#[tokio::test]
async fn commands_and_queries_go_over_http() {
    CATALOGUE
        .in_place(async |place| {
            Served::during(place, async |served| {
                assert_eq!(served.post("/courses", course("a", 500_000)).await.0, StatusCode::CREATED);
                let body = json!({ "instructorId": "i1", "name": "An", "avatar": "an.png" });
                assert_eq!(served.post("/instructors", body).await.0, StatusCode::CREATED);
                served.done(Method::POST, "/courses/a/enrolments", json!({ "student": "s1" })).await;
                served.done(Method::POST, "/courses/a/reviews", json!({ "student": "s1", "stars": 4 })).await;
                let position = served.done(Method::POST, "/courses/a/enrolments", json!({ "student": "s2" })).await;
                let (_, cached) = served.get(&format!("/courses/a?after={position}")).await;
                assert_eq!(cached["price"], json!(500_000), "{cached}");
                let update = json!({ "newPrice": 400_000, "reason": "sale" });
                served.done(Method::PUT, "/courses/a/price", update).await;
                let position = served.done(Method::PUT, "/instructors/i1", json!({ "name": "Anh" })).await;

                let (status, view) = served.get(&format!("/courses/a?after={position}")).await;
                assert_eq!(status, StatusCode::OK, "{view}");
                let expected = [
                    ("instructorName", json!("Anh")),
                    ("instructorAvatar", json!("an.png")),
                    ("price", json!(400_000)),
                    ("rating", json!(4.0)),
                    ("totalStudents", json!(2)),
                    ("totalReviews", json!(1)),
                ];
                for (field, value) in expected {
                    assert_eq!(view[field], value, "{field} of {view}");
                }
                let (_, found) = served.get(&format!("/courses?keyword=course&after={position}")).await;
                assert_eq!((&found["total"], &found["prices"]), (&json!(1), &json!([1, 0, 0])), "{found}");
                assert_eq!(found["courses"][0]["highlights"]["title"][0], "<em>Course</em> a");
            })
            .await;
        })
        .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_status_and_changes_nothing() {
    CATALOGUE
        .in_place(async |place| {
            Served::during(place, async |served| {
                let position = served.done(Method::POST, "/courses", course("a", 5)).await;
                let events = log(&place.store().await).await;
                let update = json!({ "newPrice": 1, "reason": "sale" });
                let refused = [
                    (Method::GET, "/courses/b", None, 404),
                    (Method::PUT, "/courses/b/price", Some(update.clone()), 404),
                    (Method::PUT, "/courses/a/price", Some(json!({ "newPrice": -1, "reason": "sale" })), 422),
                    (Method::PUT, "/courses/a/price", Some(json!({ "newPrice": 1, "reason": " " })), 422),
                    (Method::POST, "/courses", Some(course("a", 5)), 409),
                    (Method::POST, "/courses", Some(json!({ "courseId": "c" })), 422),
                    (Method::POST, "/courses/a/reviews", Some(json!({ "student": "s", "stars": 5 })), 409),
                    (Method::PUT, "/instructors/i9", Some(json!({ "name": "An" })), 404),
                    (Method::GET, "/courses?page=0", None, 400),
                    (Method::GET, "/courses?page=999&limit=100", None, 400),
                    (Method::GET, "/courses?minPrice=cheap", None, 400),
                    (Method::GET, "/courses?unknown=1", None, 400),
                ];
                for (method, path, body, status) in refused {
                    let (found, answer) = served.ask(method.clone(), path, body).await;
                    assert_eq!(found.as_u16(), status, "{method} {path}: {answer}");
                }
                assert_eq!(log(&place.store().await).await, events);
                let (_, view) = served.get(&format!("/courses/a?after={position}")).await;
                assert_eq!((&view["price"], &view["instructorName"]), (&json!(5), &Value::Null));
            })
            .await;
        })
        .await;
}
