//! The state machines as processes over loopback HTTP, one process for each.
//!
//! Each process binds a free port of 127.0.0.1, prints `listening on ADDRESS` on standard output, and ends
//! when its standard input closes. So it ends with its parent, even after kill -9.

mod call_relay;
mod child;
mod controller;
mod host_file;
mod lock;
mod process;
mod server;
mod shard;
mod supervisor;
mod topology;
mod wire;
mod writer;

pub use child::{Child, Group};
pub use controller::controller;
pub use server::server;
pub use shard::shard;
pub use supervisor::{Setup, supervisor};
pub use topology::Topology;
pub use writer::writer;

#[cfg(test)]
mod tests {
    //! Goal: the HTTP interface over real sockets, and that a killed server recovers from its disk. Each wait
    //! is for a condition; the timeout of `until` is reached only by a failing test.

    use super::process::client;
    use super::{controller, server};
    use crate::segments::Config;
    use crate::value::{Column, Merge, Type};
    use serde_json::{Value as Json, json};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    pub(super) async fn listen(router: axum::Router) -> String {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// A server that dies when its handle is aborted, which ends its polls.
    async fn start(config: &Arc<Config>, url: &str, dir: &Path) -> (String, tokio::task::JoinHandle<()>) {
        let host = dir.join("host.json");
        let process = server::ServerProcess::new("a", url, Arc::clone(config), dir, &host).expect("a server");
        let polls = tokio::spawn(Arc::clone(&process).poll());
        (listen(process.router()).await, polls)
    }

    pub(super) async fn ask(url: &str, body: Option<Json>) -> (u16, String) {
        let client = client().build().expect("a client");
        let request = match body {
            Some(body) => client.post(url).json(&body),
            None => client.get(url),
        };
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    pub(super) async fn until(url: &str, found: impl Fn(&str) -> bool) -> String {
        let poll = async {
            loop {
                let (_, body) = ask(url, None).await;
                if found(&body) {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), poll).await.unwrap_or_else(|_| panic!("{url}"))
    }

    #[tokio::test]
    async fn serves_what_it_consumed_and_comes_back_from_its_disk() {
        let columns = [("n", Type::Long, Merge::Increment), ("s", Type::String, Merge::Overwrite)];
        let columns = columns.map(|(name, ty, merge)| Column { name: name.to_owned(), ty, merge });
        let config = Config { servers: vec!["a".to_owned()], ..Config::new("t", columns.to_vec(), 1) };
        let config = Arc::new(config);
        let controller = listen(controller::router(Arc::clone(&config))).await;
        let to = |path: &str| format!("{controller}{path}");
        let dir = tempfile::tempdir().expect("a folder");
        let (url, polls) = start(&config, &controller, dir.path()).await;

        let write =
            |op: u64, cols: Json| json!({"partition": 0, "key": "k", "op": op, "cmp": op, "cols": cols});
        let batch = json!([write(1, json!({"n": 2})), write(2, json!({"n": 3}))]);
        assert_eq!(ask(&to("/produce"), Some(batch)).await, (200, r#"[{"off":0},{"off":1}]"#.to_owned()));
        let (code, error) = ask(&to("/produce"), Some(json!([write(3, json!({"m": 1}))]))).await;
        assert_eq!((code, error.contains("no column `m`")), (400, true), "{error}");
        let first = r#"{"off":0,"key":"k","op":1,"cmp":1,"cols":{"n":2}}"#;
        assert_eq!(ask(&to("/log/0?limit=1"), None).await.1, format!("{first}\n"));
        assert_eq!(ask(&to("/log-ends"), None).await.1, "[2]");

        until(&format!("{url}/coverage"), |body| body.contains(r#""end":2,"state":"consuming""#)).await;
        let rows = concat!(
            r#"{"off":0,"key":"k","op":1,"cmp":1,"cols":{"n":2,"s":"null"},"doc":0}"#,
            "\n",
            r#"{"off":1,"key":"k","op":2,"cmp":2,"cols":{"n":5,"s":"null"},"doc":1}"#,
            "\n"
        );
        assert_eq!(ask(&format!("{url}/rows?segment=t__0__0"), None).await, (200, rows.to_owned()));
        assert_eq!(ask(&format!("{url}/rows?segment=t__0__7"), None).await.0, 404);
        let current = ask(&format!("{url}/current?partition=0&since=1"), None).await.1;
        let current: Json = serde_json::from_str(&current).expect("a document");
        let keys = json!([{"key": "k", "offs": [1]}]);
        assert_eq!(current, json!({"version": 2, "incarnation": 1, "keys": keys}));

        assert_eq!(ask(&to("/admin/force-commit"), Some(json!({}))).await.1, r#"["t__0__0"]"#);
        until(&format!("{url}/coverage"), |body| body.contains("committed-local")).await;
        polls.abort();
        let (url, _polls) = start(&config, &controller, dir.path()).await;
        let coverage = until(&format!("{url}/coverage"), |body| body.contains("t__0__1")).await;
        let registered = r#""state":"committed-local","registered":{"known":true},"copy":2000001,"rows":2"#;
        assert!(coverage.contains(registered), "{coverage}");
        assert_eq!(ask(&format!("{url}/rows?segment=t__0__0"), None).await.1, rows);
        let events = ask(&format!("{url}/events?since=0"), None).await.1;
        assert!(events.contains(r#""from":"disk""#), "{events}");
        let events: Json = serde_json::from_str(&ask(&to("/events?since=0"), None).await.1).expect("events");
        let events: Vec<_> = events.as_array().expect("a list").iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(events, ["boot", "segment-reported", "commit-winner", "segment-committed"]);

        let truth = ask(&format!("{url}/truth"), None).await.1;
        let truth: crate::segments::MergeTruth = serde_json::from_str(&truth).expect("a document");
        assert_eq!((truth.begun[0].segment.as_str(), truth.begun[0].incarnation), ("t__0__1", 2));
        assert_eq!((truth.visible[0].segment.as_str(), truth.blind.len()), ("t__0__0", 0));

        let hold =
            json!({"id": "h", "server": "a", "partition": 0, "seq": 1, "transition": "consuming-to-online"});
        assert_eq!(ask(&to("/admin/hold"), Some(hold)).await.0, 200);
        assert!(ask(&to("/admin/holds"), None).await.1.contains(r#""id":"h""#));
        assert_eq!(ask(&to("/admin/release"), Some(json!({"id": "h"}))).await.0, 200);
        assert_eq!(ask(&to("/admin/holds"), None).await.1, "[]");
        let winner = json!({"partition": 0, "server": null});
        assert_eq!(ask(&to("/admin/commit-winner"), Some(winner)).await.0, 200);
    }
}
