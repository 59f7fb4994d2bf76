//! HTTP to a target: bounded, in time, and told in the target's own words when it fails.

#[cfg(feature = "tls")]
use super::tls;
#[cfg(feature = "pinot")]
use crate::config::access::Access;
use crate::config::access::{Credentials, Login};
use crate::target_error::TargetError;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// An answer that takes longer counts as none.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// No answer is longer: a server that sends without end must not take all memory.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A client of any server.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    credentials: Option<Credentials>,
}

impl HttpClient {
    /// One with the usual patience, for plain HTTP that lets everybody in.
    pub(crate) fn new() -> Result<HttpClient, TargetError> {
        HttpClient::with_timeout(REQUEST_TIMEOUT)
    }

    /// One to which an answer that takes longer counts as none.
    pub(crate) fn with_timeout(patience: Duration) -> Result<HttpClient, TargetError> {
        Ok(HttpClient { client: client(patience)?, credentials: None })
    }

    /// One that is let in, with TLS where a URL asks for it. That its secret is there is seen now; it is read
    /// again for every request.
    #[cfg(feature = "pinot")]
    pub(crate) fn with_access(patience: Duration, access: &Access) -> Result<HttpClient, TargetError> {
        if let Some(credentials) = &access.credentials {
            credentials.login().map_err(|error| TargetError::Unauthenticated { cause: error.to_string() })?;
        }
        let builder = believing(reqwest::Client::builder(), access)?;
        Ok(HttpClient { client: built(builder, patience)?, credentials: access.credentials.clone() })
    }

    pub(crate) fn get(&self, url: &str) -> reqwest::RequestBuilder {
        self.signed(self.client.get(url))
    }

    #[cfg(feature = "pinot")]
    pub(crate) fn put(&self, url: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.signed(self.client.put(url).json(body))
    }

    #[cfg(feature = "pinot")]
    pub(crate) fn delete(&self, url: &str) -> reqwest::RequestBuilder {
        self.signed(self.client.delete(url))
    }

    pub(crate) fn post(&self, url: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.signed(self.client.post(url).json(body))
    }

    /// A secret that went away meanwhile is none: then the target refuses.
    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.credentials.as_ref().and_then(|credentials| credentials.login().ok()) {
            Some(Login::Password(user, password)) => request.basic_auth(user, Some(password.reveal())),
            Some(Login::Token(token)) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }
}

/// A client for plain HTTP.
pub fn client(patience: Duration) -> Result<reqwest::Client, TargetError> {
    let builder = reqwest::Client::builder();
    // Without it every client, also one of loopback, would read the system's certificates.
    #[cfg(feature = "tls")]
    let builder = builder.tls_backend_preconfigured(tls::without_roots().map_err(no_client)?);
    built(builder, patience)
}

#[cfg(all(feature = "pinot", feature = "tls"))]
fn believing(
    builder: reqwest::ClientBuilder,
    access: &Access,
) -> Result<reqwest::ClientBuilder, TargetError> {
    let config = tls::with_roots(access.ca.as_deref()).map_err(no_client)?;
    Ok(builder.tls_backend_preconfigured(config))
}

#[cfg(all(feature = "pinot", not(feature = "tls")))]
fn believing(
    builder: reqwest::ClientBuilder,
    _access: &Access,
) -> Result<reqwest::ClientBuilder, TargetError> {
    Ok(builder)
}

fn built(builder: reqwest::ClientBuilder, patience: Duration) -> Result<reqwest::Client, TargetError> {
    builder.timeout(patience).no_proxy().build().map_err(no_client)
}

fn no_client(cause: impl ToString) -> TargetError {
    TargetError::SpawnFailed { process: "the HTTP client".to_owned(), cause: cause.to_string() }
}

/// No answer, in the words of the innermost cause: `connection refused` tells more than `error sending`.
pub(crate) fn unreachable(url: &str, error: reqwest::Error) -> TargetError {
    let late = error.is_timeout();
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause = if late { "timeout".to_owned() } else { cause.to_string() };
    TargetError::Unreachable { at: url.to_owned(), cause }
}

/// Sends a request and takes the body of the answer: whole, in time, of a bounded length, and no refusal.
pub async fn send(url: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, TargetError> {
    body(url, request.send().await.map_err(|error| unreachable(url, error))?).await
}

/// The body of an answer; a refusal is an error in the target's own words.
pub(crate) async fn body(url: &str, mut response: reqwest::Response) -> Result<Vec<u8>, TargetError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(more) = response.chunk().await.map_err(|error| unreachable(url, error))? {
        if body.len() + more.len() > ANSWER_BYTES_MAX {
            let cause = format!("more than {ANSWER_BYTES_MAX} bytes");
            return Err(TargetError::InvalidResponse { at: url.to_owned(), cause });
        }
        body.extend_from_slice(&more);
    }
    if status.is_success() {
        return Ok(body);
    }
    let words = String::from_utf8_lossy(&body);
    let cause = match status {
        reqwest::StatusCode::UNAUTHORIZED | reqwest::StatusCode::FORBIDDEN => {
            format!("{status}: {words}; set [credentials] in the target file")
        }
        _ => format!("{status}: {words}"),
    };
    Err(TargetError::Refused { at: url.to_owned(), cause })
}

/// An answer that is one JSON document.
pub fn parse<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, TargetError> {
    serde_json::from_slice(body)
        .map_err(|error| TargetError::InvalidResponse { at: url.to_owned(), cause: error.to_string() })
}
