//! A proxy for the segment downloads of replicas, which holds chosen downloads back.
//!
//! A TCP relay that reads requests and changes none. A client waits for each answer, so any data from it that
//! begins with `GET ` is a request. If its path contains the text of a hold, it waits until the hold is
//! released or its lease expires. Everything else, including uploads, passes at once.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Size of the relay buffer.
const PIECE: usize = 64 << 10;

/// A request to hold downloads back: the body of `POST /hold`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The id for releasing the hold.
    pub id: String,
    /// The text that the path of a download must contain.
    pub path: String,
    /// Maximum duration in milliseconds, in case the client dies.
    pub lease_ms: u64,
}

/// The body of `POST /release`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The id of the hold.
    pub id: String,
}

/// A hold in force, as returned by `GET /holds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDownload {
    /// The id for releasing the hold.
    pub id: String,
    /// The text that the path of a download must contain.
    pub path: String,
}

/// The holds in force, by id.
#[derive(Clone, Debug)]
struct Holds(watch::Sender<BTreeMap<String, (String, Instant)>>);

/// A proxy that listens.
#[derive(Debug)]
pub struct Proxy {
    to: String,
    relay: TcpListener,
    control: TcpListener,
}

impl Proxy {
    /// Takes both addresses; port 0 is any free one.
    pub async fn bind(to: String, listen: SocketAddr, control: SocketAddr) -> io::Result<Proxy> {
        Ok(Proxy { to, relay: TcpListener::bind(listen).await?, control: TcpListener::bind(control).await? })
    }

    /// Where replicas are to download from.
    pub fn listen(&self) -> io::Result<SocketAddr> {
        self.relay.local_addr()
    }

    /// Where holds are asked for.
    pub fn control(&self) -> io::Result<SocketAddr> {
        self.control.local_addr()
    }

    /// Relays until the process ends.
    pub async fn serve(self) -> io::Result<()> {
        let holds = Holds(watch::Sender::default());
        let control = axum::Router::new()
            .route("/hold", post(hold))
            .route("/release", post(release))
            .route("/holds", get(in_force))
            .with_state(holds.clone());
        let control = axum::serve(self.control, control).into_future();
        tokio::select! {
            ended = relay_all(self.relay, self.to.into(), holds) => ended,
            ended = control => ended,
        }
    }
}

async fn hold(State(holds): State<Holds>, Json(Hold { id, path, lease_ms }): Json<Hold>) {
    let until = Instant::now() + Duration::from_millis(lease_ms);
    holds.0.send_modify(|all| drop(all.insert(id, (path, until))));
}

async fn release(State(holds): State<Holds>, Json(Release { id }): Json<Release>) {
    holds.0.send_modify(|all| drop(all.remove(&id)));
}

async fn in_force(State(holds): State<Holds>) -> Json<Vec<HeldDownload>> {
    let now = Instant::now();
    let all = holds.0.borrow();
    let all = all.iter().filter(|(_, (_, until))| now < *until);
    Json(all.map(|(id, (path, _))| HeldDownload { id: id.clone(), path: path.clone() }).collect())
}

async fn relay_all(relay: TcpListener, to: Arc<str>, holds: Holds) -> io::Result<()> {
    loop {
        let (client, _) = relay.accept().await?;
        let (to, holds) = (Arc::clone(&to), holds.clone());
        tokio::spawn(async move {
            // A connection that breaks is a matter of its two ends.
            drop(relay_one(client, &to, &holds).await);
        });
    }
}

async fn relay_one(client: TcpStream, to: &str, holds: &Holds) -> io::Result<()> {
    let server = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, mut to_client), (mut from_server, to_server)) =
        (client.into_split(), server.into_split());
    let asked = relay_requests(from_client, to_server, holds);
    let answered = async {
        copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(asked, answered).map(drop)
}

async fn relay_requests(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    holds: &Holds,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = client.read(&mut piece).await?;
        if length == 0 {
            return server.shutdown().await;
        }
        if let Some(path) = asked_for(&piece[..length]) {
            holds.wait(path).await;
        }
        server.write_all(&piece[..length]).await?;
    }
}

/// The path of a download, if this is the beginning of a request for one.
fn asked_for(piece: &[u8]) -> Option<&[u8]> {
    let line = piece.strip_prefix(b"GET ")?;
    line.split(|byte| byte.is_ascii_whitespace()).next()
}

impl Holds {
    /// Returns once no hold is on this path.
    async fn wait(&self, path: &[u8]) {
        let mut changes = self.0.subscribe();
        loop {
            let now = Instant::now();
            let until = changes
                .borrow_and_update()
                .values()
                .filter(|(part, until)| now < *until && memmem::find(path, part.as_bytes()).is_some())
                .map(|(_, until)| *until)
                .max();
            let Some(until) = until else { return };
            // A change, or the end of the lease: both are looked at.
            drop(timeout_at(until, changes.changed()).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// A store that tells which requests reached it, before a proxy.
    async fn store_behind_a_proxy() -> (SocketAddr, String, mpsc::UnboundedReceiver<String>) {
        let (reached, reaches) = mpsc::unbounded_channel();
        let store = TcpListener::bind(ANYWHERE).await.expect("a port");
        let to = store.local_addr().expect("an address").to_string();
        let router = axum::Router::new().fallback(async move |request: axum::extract::Request| {
            reached.send(request.uri().path().to_owned()).expect("the test listens");
            "whole"
        });
        tokio::spawn(axum::serve(store, router).into_future());
        let proxy = Proxy::bind(to, ANYWHERE, ANYWHERE).await.expect("ports");
        let (listen, control) = (proxy.listen().expect("bound"), proxy.control().expect("bound"));
        tokio::spawn(proxy.serve());
        (listen, format!("http://{control}"), reaches)
    }

    fn client() -> reqwest::Client {
        crate::adapter::http::client(Duration::from_secs(60)).expect("a client")
    }

    async fn ask(control: &str, path: &str, body: serde_json::Value) {
        let answer = client().post(format!("{control}{path}")).json(&body).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }

    #[tokio::test]
    async fn only_the_download_that_is_held_waits_and_only_until_its_release() {
        let (listen, control, mut reaches) = store_behind_a_proxy().await;
        let client = client();
        let get = |path: &str| {
            let request = client.get(format!("http://{listen}{path}"));
            tokio::spawn(async move { request.send().await?.text().await })
        };
        ask(&control, "/hold", serde_json::json!({ "id": "a/1", "path": "t__0__3__", "lease_ms": 600_000 }))
            .await;
        // On one connection, as a server that asks again: the first passes, the second waits.
        assert_eq!(get("/segments/t/t__0__2__x").await.expect("no panic").expect("an answer"), "whole");
        assert_eq!(reaches.recv().await.as_deref(), Some("/segments/t/t__0__2__x"));
        let held = get("/segments/t/t__0__3__x");
        let other = get("/segments/t/t__1__3__x");
        assert_eq!(other.await.expect("no panic").expect("an answer"), "whole");
        assert_eq!(reaches.recv().await.as_deref(), Some("/segments/t/t__1__3__x"));
        assert!(!held.is_finished() && reaches.is_empty());
        let holds: Vec<HeldDownload> =
            client.get(format!("{control}/holds")).send().await.expect("holds").json().await.expect("JSON");
        assert_eq!(holds, [HeldDownload { id: "a/1".to_owned(), path: "t__0__3__".to_owned() }]);
        ask(&control, "/release", serde_json::json!({ "id": "a/1" })).await;
        assert_eq!(held.await.expect("no panic").expect("an answer"), "whole");
        assert_eq!(reaches.recv().await.as_deref(), Some("/segments/t/t__0__3__x"));
    }

    #[tokio::test]
    async fn a_hold_whose_lease_is_over_holds_nothing() {
        let (listen, control, mut reaches) = store_behind_a_proxy().await;
        ask(&control, "/hold", serde_json::json!({ "id": "a", "path": "t__", "lease_ms": 1 })).await;
        let answer = client().get(format!("http://{listen}/segments/t/t__0__3__x")).send().await;
        assert_eq!(answer.expect("an answer").text().await.expect("a body"), "whole");
        assert!(reaches.recv().await.is_some());
    }

    #[test]
    fn only_a_request_for_something_is_a_download() {
        assert_eq!(asked_for(b"GET /segments/t/s HTTP/1.1\r\nHost: h\r\n\r\n"), Some(&b"/segments/t/s"[..]));
        for other in [&b"POST /segments HTTP/1.1\r\n"[..], b"", b"GET", b"\0\x01GET /a"] {
            assert_eq!(asked_for(other), None);
        }
    }
}
