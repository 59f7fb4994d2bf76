//! etcd's HTTP gateway: JSON over POST, the token of the user, and what a failed call means for a write.
//! <https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/>

use super::wire::{Cell, RANGE, Range, Watched};
use crate::adapter::http::{HttpClient, body, parse, send, unreachable};
use crate::config::access::{Access, Credentials, Login, SecretError};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::AUTHORIZATION;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Refusals that come before a request is proposed to the cluster, so that no member ever applies it
/// (`etcdserver/api/v3rpc/{interceptor,key}.go` and `processInternalRaftRequestOnce` of 3.5.2; the last is
/// raft's own). Two that sound as certain are not. Permissions are checked by each member when it applies the
/// request, and another member may find otherwise (etcd issue 11651). `database space exceeded` is also the
/// answer to the first write beyond the quota, which is done (`quotaApplierV3`).
const NEVER_PROPOSED: [&str; 9] = [
    "etcdserver: too many requests",
    "etcdserver: request is too large",
    "etcdserver: too many operations in txn request",
    "etcdserver: duplicate key given in txn request",
    "etcdserver: key is not provided",
    TOKEN_REFUSED,
    "etcdserver: rpc not supported for learner",
    "etcdserver: not capable",
    "raft proposal dropped",
];

/// What a member says of a token that has expired, or that it has forgotten in a restart.
const TOKEN_REFUSED: &str = "etcdserver: invalid auth token";

/// The line of `/metrics` that tells when the process began, in seconds
/// (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). etcd serves it at each
/// client URL, and asks for no token.
const STARTED: &str = "process_start_time_seconds ";

/// The number of cells in a page.
const PAGE: usize = 4_000;

/// A call that failed.
pub(super) struct Failure {
    pub(super) error: TargetError,
    /// Whether no member has applied the request or ever will.
    pub(super) is_undone: bool,
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Failure {
        let is_refusal = |cause: &str| NEVER_PROPOSED.iter().any(|words| cause.contains(words));
        let is_undone = matches!(&error, TargetError::Refused { cause, .. } if is_refusal(cause));
        Failure { error, is_undone }
    }
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> TargetError {
        failure.error
    }
}

/// The client of all members.
pub(super) struct Gateway {
    http: HttpClient,
    credentials: Option<Credentials>,
    token: Mutex<Option<String>>,
    /// The client URLs of the members.
    pub(super) members: Vec<String>,
}

impl Gateway {
    pub(super) fn new(file: &TargetFile, members: Vec<String>) -> Result<Gateway, TargetError> {
        let Access { credentials, ca } = file.access();
        let patience = Duration::from_nanos(file.limits.query_timeout.0);
        // etcd takes a token of its own, and never a password in a header.
        let http = HttpClient::with_access(patience, &Access { credentials: None, ca })?;
        Ok(Gateway { http, credentials, token: Mutex::default(), members })
    }

    /// Calls a method of the first member that answers.
    pub(super) async fn any<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &Json,
    ) -> Result<T, TargetError> {
        let mut last = no_members();
        for member in &self.members {
            match self.call(member, path, request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => last = failure.error,
            }
        }
        Err(last)
    }

    /// Calls a method of a member. Logs in again if it refuses the token.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        member: &str,
        path: &str,
        request: &Json,
    ) -> Result<T, Failure> {
        let at = format!("{member}{path}");
        let mut answer = body(&at, self.ask(member, path, request).await?).await;
        if matches!(&answer, Err(TargetError::Refused { cause, .. }) if cause.contains(TOKEN_REFUSED)) {
            self.set_token(None);
            answer = body(&at, self.ask(member, path, request).await?).await;
        }
        Ok(parse(&at, &answer?)?)
    }

    async fn ask(&self, member: &str, path: &str, request: &Json) -> Result<reqwest::Response, Failure> {
        let at = format!("{member}{path}");
        let token = self.token(member).await.map_err(|error| Failure { error, is_undone: true })?;
        let mut post = self.http.post(&at, request);
        if let Some(token) = token {
            post = post.header(AUTHORIZATION, token);
        }
        post.send().await.map_err(|error| {
            let is_undone = error.is_connect();
            Failure { error: unreachable(&at, error), is_undone }
        })
    }

    /// The token for the credentials. None without credentials.
    async fn token(&self, member: &str) -> Result<Option<String>, TargetError> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (None, Some(credentials)) = (&known, &self.credentials) else { return Ok(known) };
        let cause = |error: SecretError| TargetError::Unauthenticated { cause: error.to_string() };
        let token = match credentials.login().map_err(cause)? {
            Login::Token(token) => token.reveal().to_owned(),
            Login::Password(user, password) => {
                let at = format!("{member}/v3/auth/authenticate");
                let login = json!({"name": user, "password": password.reveal()});
                let answer: Json = parse(&at, &send(&at, self.http.post(&at, &login)).await?)?;
                answer["token"].as_str().unwrap_or_default().to_owned()
            }
        };
        self.set_token(Some(token.clone()));
        Ok(Some(token))
    }

    fn set_token(&self, token: Option<String>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// When a member's process began, in milliseconds.
    pub(super) async fn started(&self, member: &str) -> Result<u64, TargetError> {
        let at = format!("{member}/metrics");
        let page = String::from_utf8_lossy(&send(&at, self.http.get(&at)).await?).into_owned();
        let seconds = page.lines().find_map(|line| line.strip_prefix(STARTED)?.trim().parse::<f64>().ok());
        let cause = format!("no `{}`, without which its restarts would not be seen", STARTED.trim_end());
        let unknown = TargetError::InvalidResponse { at, cause };
        seconds.map(|seconds| (seconds * 1_000.0).round() as u64).ok_or(unknown)
    }

    /// Reads one page of the keys with a prefix. The read is linearizable unless `more` says otherwise.
    pub(super) async fn range(&self, member: &str, prefix: &str, more: Json) -> Result<Range, TargetError> {
        let mut request = json!({"key": base64(prefix), "range_end": base64(&after(prefix))});
        if let (Some(request), Json::Object(more)) = (request.as_object_mut(), more) {
            request.extend(more);
        }
        Ok(self.call(member, RANGE, &request).await?)
    }

    /// Reads all cells with a prefix that a member has now, in the order of their keys, all as of one
    /// revision. Fails unless they are as many as the member counts.
    pub(super) async fn pages(
        &self,
        member: &str,
        prefix: &str,
        out: &mut (dyn FnMut(Vec<Cell>) + Send),
    ) -> Result<(), TargetError> {
        let more = json!({"serializable": true, "limit": PAGE.to_string()});
        let mut page = self.range(member, prefix, more.clone()).await?;
        let (revision, total, mut read) = (page.header.revision, page.count, 0);
        loop {
            read += page.kvs.len() as u64;
            let last = page.kvs.last().map(|cell| cell.key.clone());
            out(page.kvs);
            let Some(last) = last.filter(|_| read < total) else { break };
            let mut more = more.clone();
            more["key"] = base64(&format!("{last}\0")).into();
            more["revision"] = revision.to_string().into();
            page = self.range(member, prefix, more).await?;
        }
        if read == total {
            return Ok(());
        }
        let cause = format!("{read} cells under {prefix} at revision {revision}, of {total}");
        Err(TargetError::InvalidResponse { at: member.to_owned(), cause })
    }

    /// Reads the events under a prefix that a member has kept, from a revision until `out` has had enough.
    /// Each call of `out` gets whole revisions (`eventBatch` in etcd's `mvcc/watcher_group.go`).
    pub(super) async fn watch(
        &self,
        member: &str,
        prefix: &str,
        from: u64,
        out: &mut (dyn FnMut(Vec<Cell>) -> Result<bool, TargetError> + Send),
    ) -> Result<(), TargetError> {
        let at = format!("{member}/v3/watch");
        let request = json!({"create_request": {
            "key": base64(prefix), "range_end": base64(&after(prefix)), "start_revision": from.to_string(),
        }});
        let mut answer = self.ask(member, "/v3/watch", &request).await?;
        if !answer.status().is_success() {
            return body(&at, answer).await.map(drop);
        }
        let mut buffer = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(|error| unreachable(&at, error))? {
            buffer.extend_from_slice(&more);
            while let Some(end) = memchr::memchr(b'\n', &buffer) {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if out(parse::<Watched>(&at, &line)?.cells(&at)?)? {
                    return Ok(());
                }
            }
        }
        let cause = "the stream of events ended before the newest one".to_owned();
        Err(TargetError::InvalidResponse { at, cause })
    }
}

pub(super) fn no_members() -> TargetError {
    TargetError::NotReady("the cluster lists no member that votes and has a client URL".to_owned())
}

/// Text as the gateway wants keys and values.
pub(super) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// The first key after all that have this prefix, which ends with a slash.
pub(super) fn after(prefix: &str) -> String {
    format!("{}0", prefix.strip_suffix('/').unwrap_or(prefix))
}
