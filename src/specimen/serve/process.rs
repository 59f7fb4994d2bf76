//! What all processes share: serving until standard input closes, HTTP clients for loopback, and a clock.

use super::child::GREETING;
use crate::error::Error;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers requests until standard input closes. `ready` receives the address first.
pub(super) async fn answer(
    router: axum::Router,
    ready: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| Error::Io { what, source }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed("bind 127.0.0.1"))?;
    let address = listener.local_addr().map_err(failed("read the bound address"))?;
    ready(&address.to_string())?;
    let mut out = tokio::io::stdout();
    let line = format!("{}{address}\n", GREETING);
    out.write_all(line.as_bytes()).await.map_err(failed("write to stdout"))?;
    out.flush().await.map_err(failed("write to stdout"))?;
    tokio::select! {
        served = axum::serve(listener, router) => served.map_err(failed("answer requests")),
        () = input_closed() => Ok(()),
    }
}

pub(super) fn client() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy();
    #[cfg(feature = "tls")]
    let builder = match without_roots() {
        Some(tls) => builder.tls_backend_preconfigured(tls),
        None => builder,
    };
    builder
}

/// A TLS setup without roots, because nothing here uses TLS. Without it the client would load all
/// certificates of the system.
#[cfg(feature = "tls")]
fn without_roots() -> Option<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    Some(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

async fn input_closed() {
    let mut buffer = [0; 256];
    while matches!(tokio::io::stdin().read(&mut buffer).await, Ok(1..)) {}
}

/// This machine's clock, in nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a node of the cluster under test has a clock of its own")]
pub(super) fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

/// A response with one JSON document per line.
pub(super) fn lines<T: Serialize>(items: impl Iterator<Item = T>) -> Response {
    let mut body = Vec::new();
    for item in items {
        if let Err(error) = serde_json::to_writer(&mut body, &item) {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
        body.push(b'\n');
    }
    ([(header::CONTENT_TYPE, "application/jsonl")], body).into_response()
}
