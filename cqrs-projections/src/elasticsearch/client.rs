//! One request, one answer: the only place that talks to the server.

use std::fmt;
use std::time::Duration;

use ::elasticsearch::http::headers::{CONTENT_TYPE, HeaderMap, HeaderValue};
use ::elasticsearch::http::transport::Transport;
use ::elasticsearch::http::{Method, Url};
use cqrs_core::{Failure, ReadModelError};
use serde::Deserialize;
use serde_json::Value;

use super::error::{self, ServerError};

#[derive(Clone)]
pub(super) struct Client {
    transport: Transport,
    timeout: Duration,
}

/// The transport prints its credentials.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// What the server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    request: String,
    body: String,
}

impl Client {
    pub(super) const fn new(transport: Transport, timeout: Duration) -> Self {
        Self { transport, timeout }
    }

    pub(super) fn connect(url: &str, timeout: Duration) -> Result<Self, ReadModelError> {
        let invalid = |reason: String| ReadModelError::Permanent(Failure::new(reason));
        let parsed = Url::parse(url).map_err(|error| invalid(format!("no address of Elasticsearch: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(invalid(format!(
                "an address of Elasticsearch starts with http or https, not {}",
                parsed.scheme()
            )));
        }
        let transport = Transport::single_node(url).map_err(error::unsent)?;
        Ok(Self::new(transport, timeout))
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, ReadModelError> {
        self.send(Method::Get, path, &[], HeaderMap::new(), None).await
    }

    pub(super) async fn put(&self, path: &str, query: &Query<'_>, body: &Value) -> Result<Answer, ReadModelError> {
        self.send(Method::Put, path, query, HeaderMap::new(), Some(&body.to_string())).await
    }

    pub(super) async fn post(&self, path: &str, query: &Query<'_>, body: &Value) -> Result<Answer, ReadModelError> {
        self.send(Method::Post, path, query, HeaderMap::new(), Some(&body.to_string())).await
    }

    pub(super) async fn delete(&self, path: &str, body: &Value) -> Result<Answer, ReadModelError> {
        self.send(Method::Delete, path, &[], HeaderMap::new(), Some(&body.to_string())).await
    }

    pub(super) async fn post_nothing(&self, path: &str) -> Result<Answer, ReadModelError> {
        self.send(Method::Post, path, &[], HeaderMap::new(), None).await
    }

    /// Lines of JSON, each with its end.
    pub(super) async fn post_lines(&self, path: &str, query: &Query<'_>, body: &str) -> Result<Answer, ReadModelError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        self.send(Method::Post, path, query, headers, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &Query<'_>,
        headers: HeaderMap,
        body: Option<&str>,
    ) -> Result<Answer, ReadModelError> {
        let query = (!query.is_empty()).then_some(query);
        let sent = self.transport.send(method, path, headers, query, body, Some(self.timeout)).await;
        let response = sent.map_err(error::unsent)?;
        let status = response.status_code().as_u16();
        let body = response.text().await.map_err(error::unsent)?;
        Ok(Answer { status, request: format!("{} {path}", format!("{method:?}").to_uppercase()), body })
    }
}

/// The parameters of a request.
pub(super) type Query<'a> = [(&'a str, &'a str)];

impl Answer {
    /// Whether the server did as told.
    pub(super) const fn is_ok(&self) -> bool {
        self.status < 400
    }

    /// The refusal in this answer.
    pub(super) fn error(&self) -> ServerError {
        ServerError::parse(&self.request, self.status, &self.body)
    }

    /// This answer, unless it is a refusal.
    pub(super) fn ok(self) -> Result<Self, ReadModelError> {
        if self.is_ok() { Ok(self) } else { Err(self.error().into()) }
    }

    /// The body.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ReadModelError> {
        serde_json::from_str(&self.body)
            .map_err(|error| ReadModelError::Corrupt { what: format!("the answer to {}: {error}", self.request) })
    }
}
