//! HTTP to a target: with a timeout, a size limit, and errors in the target's own words.

#[cfg(feature = "tls")]
use super::tls;
use crate::config::access::{Access, Credentials, Login};
use crate::target_error::TargetError;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum size of an answer. An endless answer must not use up all memory.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A client for the HTTP interface of a target.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    credentials: Option<Credentials>,
}

impl HttpClient {
    /// A client for plain HTTP without credentials, with the default timeout.
    pub(crate) fn new() -> Result<HttpClient, TargetError> {
        HttpClient::with_timeout(REQUEST_TIMEOUT)
    }

    /// A client for plain HTTP without credentials.
    pub(crate) fn with_timeout(patience: Duration) -> Result<HttpClient, TargetError> {
        Ok(HttpClient { client: client(patience)?, credentials: None })
    }

    /// A client with credentials, and with TLS for URLs that use it. Fails at once if the secret is missing.
    /// The secret is read again for every request.
    pub(crate) fn with_access(patience: Duration, access: &Access) -> Result<HttpClient, TargetError> {
        if let Some(credentials) = &access.credentials {
            credentials.login().map_err(|error| TargetError::Unauthenticated { cause: error.to_string() })?;
        }
        let builder = believing(reqwest::Client::builder(), access)?;
        Ok(HttpClient { client: build(builder, patience)?, credentials: access.credentials.clone() })
    }

    pub(crate) fn get(&self, url: &str) -> reqwest::RequestBuilder {
        self.authenticate(self.client.get(url))
    }

    #[cfg(feature = "pinot")]
    pub(crate) fn put(&self, url: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.authenticate(self.client.put(url).json(body))
    }

    #[cfg(feature = "pinot")]
    pub(crate) fn delete(&self, url: &str) -> reqwest::RequestBuilder {
        self.authenticate(self.client.delete(url))
    }

    pub(crate) fn post(&self, url: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.authenticate(self.client.post(url).json(body))
    }

    /// Adds the credentials. If the secret has disappeared, none are added and the target refuses the
    /// request.
    fn authenticate(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
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
    // Without this, every client would load the system's certificates, even one for loopback.
    #[cfg(feature = "tls")]
    let builder = builder.tls_backend_preconfigured(tls::without_roots().map_err(no_client)?);
    build(builder, patience)
}

#[cfg(feature = "tls")]
fn believing(
    builder: reqwest::ClientBuilder,
    access: &Access,
) -> Result<reqwest::ClientBuilder, TargetError> {
    let config = tls::with_roots(access.ca.as_deref()).map_err(no_client)?;
    Ok(builder.tls_backend_preconfigured(config))
}

#[cfg(not(feature = "tls"))]
fn believing(
    builder: reqwest::ClientBuilder,
    _access: &Access,
) -> Result<reqwest::ClientBuilder, TargetError> {
    Ok(builder)
}

fn build(builder: reqwest::ClientBuilder, patience: Duration) -> Result<reqwest::Client, TargetError> {
    builder.timeout(patience).no_proxy().build().map_err(no_client)
}

fn no_client(cause: impl ToString) -> TargetError {
    TargetError::SpawnFailed { process: "the HTTP client".to_owned(), cause: cause.to_string() }
}

/// The error for a missing answer. The innermost cause is the useful one: `connection refused`, not `error
/// sending`.
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

/// Sends a request and returns the whole body of the answer. Fails on a timeout, a refusal or an oversized
/// answer.
pub async fn send(url: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, TargetError> {
    body(url, request.send().await.map_err(|error| unreachable(url, error))?).await
}

/// Reads the body of an answer. A refusal becomes an error in the target's own words.
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

/// Parses an answer that is one JSON document.
pub fn parse<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, TargetError> {
    serde_json::from_slice(body)
        .map_err(|error| TargetError::InvalidResponse { at: url.to_owned(), cause: error.to_string() })
}
