//! A member of etcd that answers what a test says. `answers/` was recorded at 3.5.2.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dissent::adapter::etcd::Etcd;
use dissent::adapter::state::{StateStore, StateSystem as _};
use dissent::config::target::TargetFile;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/etcd/answers/", $name))
    };
}
pub(crate) use recorded;

/// A request, with its keys and values as text.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) token: String,
}

/// The member.
pub(crate) struct Fake {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Answers with a status and a body. What `answer` leaves out is recorded: members, status, metrics.
    pub(crate) async fn new(
        answer: impl Fn(&Asked) -> Option<(u16, String)> + Clone + Send + Sync + 'static,
    ) -> Fake {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let all = Arc::clone(&asked);
        let handler = move |uri: Uri, headers: HeaderMap, body: String| async move {
            let token = headers.get("authorization").and_then(|token| token.to_str().ok());
            let token = token.unwrap_or_default().to_owned();
            let body = as_text(serde_json::from_str(&body).unwrap_or_default());
            let asked = Asked { path: uri.path().to_owned(), body, token };
            all.lock().expect("the requests").push(asked.clone());
            let (status, body) = answer(&asked).unwrap_or_else(|| usual(&asked.path));
            (StatusCode::from_u16(status).expect("a status"), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Fake { url, asked }
    }

    /// Its requests so far for paths that end like this.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().expect("the requests");
        asked.iter().filter(|asked| asked.path.ends_with(path)).cloned().collect()
    }

    /// A target file with this as the only member.
    pub(crate) fn file(&self) -> TargetFile {
        let servers = [("m1".to_owned(), self.url.clone())].into_iter().collect();
        TargetFile { servers, ..TargetFile::at("etcd", &self.url) }
    }

    /// The store with this as its only member.
    pub(crate) async fn store(&self) -> Arc<dyn StateStore> {
        Etcd.connect(&self.file()).await.expect("a store")
    }
}

fn usual(path: &str) -> (u16, String) {
    let answer = match path {
        "/v3/cluster/member/list" => recorded!("members.json"),
        "/v3/maintenance/status" => recorded!("status.json"),
        "/metrics" => recorded!("metrics.txt"),
        _ => return (404, "Not Found".to_owned()),
    };
    (200, answer.to_owned())
}

fn decoded(base64: &str) -> String {
    String::from_utf8(STANDARD.decode(base64).expect("base64")).expect("UTF-8")
}

/// A request with its keys and values as text.
fn as_text(request: Value) -> Value {
    match request {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match (name.as_str(), &value) {
                ("key" | "range_end" | "value", Value::String(text)) => (name, json!(decoded(text))),
                _ => (name, as_text(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(as_text).collect(),
        other => other,
    }
}
