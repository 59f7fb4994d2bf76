//! The state machines as processes over loopback HTTP, one process a state machine.
//!
//! Each binds a free port of 127.0.0.1, says `listening on ADDRESS` on its standard output, and ends when
//! its standard input closes: whoever started it takes it along, even by kill -9.

mod controller;
mod server;

pub use controller::controller;
pub use server::server;

use crate::config::Error;
use crate::value::{Column, Entry, Value};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers requests until the standard input closes.
async fn answer(router: axum::Router) -> Result<(), Error> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| Error::Io { what, source }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed("bind 127.0.0.1"))?;
    let address = listener.local_addr().map_err(failed("read the bound address"))?;
    let mut out = tokio::io::stdout();
    let line = format!("listening on {address}\n");
    out.write_all(line.as_bytes()).await.map_err(failed("write to stdout"))?;
    out.flush().await.map_err(failed("write to stdout"))?;
    tokio::select! {
        served = axum::serve(listener, router) => served.map_err(failed("answer requests")),
        () = input_closed() => Ok(()),
    }
}

async fn input_closed() {
    let mut buffer = [0; 256];
    while matches!(tokio::io::stdin().read(&mut buffer).await, Ok(1..)) {}
}

/// This machine's clock, in nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a node of the cluster under test has a clock of its own")]
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

/// One JSON document a line.
fn lines<T: Serialize>(items: impl Iterator<Item = T>) -> Response {
    let mut body = Vec::new();
    for item in items {
        if let Err(error) = serde_json::to_writer(&mut body, &item) {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
        body.push(b'\n');
    }
    ([(header::CONTENT_TYPE, "application/jsonl")], body).into_response()
}

/// An entry or a row with its values by column name.
#[derive(Serialize)]
struct Named<'a> {
    off: u64,
    key: &'a str,
    op: u64,
    cmp: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tombstone: bool,
    cols: Cols<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<u64>,
}

/// Values with their columns; nulls are left out.
struct Cols<'a>(&'a [Column], Vec<&'a Value>);

impl Serialize for Cols<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        for (column, value) in self.0.iter().zip(&self.1) {
            if **value != Value::Null {
                map.serialize_entry(&column.name, value)?;
            }
        }
        map.end()
    }
}

impl<'a> Named<'a> {
    /// A log entry.
    fn entry(entry: &'a Entry, columns: &'a [Column]) -> Self {
        let Entry { off, ref key, op, cmp, tombstone, ref cols } = *entry;
        Named { off, key, op, cmp, tombstone, cols: Cols(columns, cols.iter().collect()), doc: None }
    }

    /// A raw row, with defaults where nothing was ever said.
    fn row(row: &'a Entry, columns: &'a [Column], defaults: &'a [Value], doc: u64) -> Self {
        let cols = Cols(columns, row.shown(defaults).collect());
        Named { cols, doc: Some(doc), tombstone: false, ..Named::entry(row, columns) }
    }
}
