//! Servers in trouble.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cqrs_core::{Generation, ProjectionName, ReadModel, ReadModelError, Target};
use cqrs_projections::ElasticReadModel;

use crate::http::{Answer, serve};
use crate::place::{batch, put};

/// A server that answers each request with what `answer` makes of its path.
fn server(answer: fn(&str) -> (u16, &'static str)) -> String {
    serve(move |request| {
        let (status, body) = answer(&request.path);
        Answer::new(status, body)
    })
}

fn target() -> Target {
    Target { projection: ProjectionName::new("catalogue").unwrap(), generation: Generation::FIRST, partition: 0 }
}

fn model(url: &str) -> ElasticReadModel {
    ElasticReadModel::new(::elasticsearch::http::transport::Transport::single_node(url).unwrap())
}

const NEW_TARGET: &str = r#"{"docs":[{"_id":"x","found":false},{"_id":"-","found":false}]}"#;

async fn write(url: &str) -> ReadModelError {
    let documents = vec![put("a", 1, "{}"), put("b", 2, "{}"), put("c", 3, "{}")];
    model(url).apply(&target(), batch(Generation::FIRST, 0, 3, 1, documents)).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_may_come_back() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = ElasticReadModel::connect(&format!("http://127.0.0.1:{port}")).await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let before = Instant::now();
    let refused = model(&url).timeout(Duration::from_millis(300)).live(&target().projection).await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert!((300..5_000).contains(&before.elapsed().as_millis()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused() {
    for bad in ["", "localhost:9200", "ftp://localhost:9200", "http://"] {
        let refused = ElasticReadModel::connect(bad).await.unwrap_err();
        assert!(matches!(refused, ReadModelError::Permanent(_)), "{bad}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_user_is_told_so_at_once() {
    let url =
        server(|_| (401, r#"{"error":{"type":"security_exception","reason":"unable to authenticate"},"status":401}"#));
    let url = url.replace("http://", "http://elastic:secret@");
    let refused = ElasticReadModel::connect(&url).await.unwrap_err();
    assert!(
        matches!(&refused, ReadModelError::Permanent(cause) if cause.to_string().contains("unable to authenticate"))
    );
    assert!(!format!("{refused:?} {:?}", model(&url)).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_server_is_asked_again_later() {
    for server in [server(|_| (429, "{}")), server(|_| (502, "<html>")), server(|_| (503, "{}")), server(|_| (504, ""))]
    {
        let refused = model(&server).live(&target().projection).await.unwrap_err();
        assert!(refused.is_transient(), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_document_is_no_failure() {
    let url = server(|path| match path {
        "/_mget" => (200, NEW_TARGET),
        path if path.contains("/_bulk") => {
            let items = r#"{"items":[{"index":{"status":201}},
                {"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"r"}}},
                {"index":{"status":200}}]}"#;
            (200, items)
        }
        _ => (503, r#"{"error":{"type":"unavailable_shards_exception","reason":"the checkpoint's turn"}}"#),
    });
    let refused = write(&url).await;
    let reached =
        matches!(&refused, ReadModelError::Transient(cause) if cause.to_string().contains("the checkpoint's turn"));
    assert!(reached, "{refused:?}");
}
