//! HTTP to a target: bounded, in time, and told in the target's own words when it fails.

use super::TargetError;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(5);

/// No answer is longer: a server that sends without end must not take all memory.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A client of any server.
#[derive(Clone, Debug)]
pub(crate) struct Web(reqwest::Client);

impl Web {
    /// One with the usual patience.
    pub(crate) fn new() -> Result<Web, TargetError> {
        Web::patient(PATIENCE)
    }

    /// One to which an answer that takes longer counts as none.
    pub(crate) fn patient(patience: Duration) -> Result<Web, TargetError> {
        let built = reqwest::Client::builder().timeout(patience).no_proxy().build();
        built.map(Web).map_err(|error| TargetError::Start {
            process: "the HTTP client".to_owned(),
            cause: error.to_string(),
        })
    }

    pub(crate) fn get(&self, url: &str) -> reqwest::RequestBuilder {
        self.0.get(url)
    }

    #[cfg(feature = "pinot")]
    pub(crate) fn put(&self, url: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.0.put(url).json(body)
    }

    #[cfg(feature = "pinot")]
    pub(crate) fn delete(&self, url: &str) -> reqwest::RequestBuilder {
        self.0.delete(url)
    }

    pub(crate) fn post(&self, url: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.0.post(url).json(body)
    }
}

/// No answer, in the words of the innermost cause: `connection refused` tells more than `error sending`.
pub(crate) fn lost(url: &str, error: reqwest::Error) -> TargetError {
    let late = error.is_timeout();
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause = if late { "none in time".to_owned() } else { cause.to_string() };
    TargetError::Unreachable { at: url.to_owned(), cause }
}

/// Sends a request and takes the body of the answer: whole, in time, of a bounded length, and no refusal.
pub async fn answer(url: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, TargetError> {
    body(url, request.send().await.map_err(|error| lost(url, error))?).await
}

/// The body of an answer; a refusal is an error in the target's own words.
pub(crate) async fn body(url: &str, mut response: reqwest::Response) -> Result<Vec<u8>, TargetError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(more) = response.chunk().await.map_err(|error| lost(url, error))? {
        if body.len() + more.len() > ANSWER_BYTES_MAX {
            let cause = format!("more than {ANSWER_BYTES_MAX} bytes");
            return Err(TargetError::Nonsense { at: url.to_owned(), cause });
        }
        body.extend_from_slice(&more);
    }
    if status.is_success() {
        return Ok(body);
    }
    let cause = format!("{status}: {}", String::from_utf8_lossy(&body));
    Err(TargetError::Refused { at: url.to_owned(), cause })
}

/// An answer that is one JSON document.
pub fn parse<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, TargetError> {
    serde_json::from_slice(body)
        .map_err(|error| TargetError::Nonsense { at: url.to_owned(), cause: error.to_string() })
}
