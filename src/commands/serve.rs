//! `dissent serve`: the results folder in a browser, on this machine only.

use super::output;
use super::runtime::runtime;
use crate::cli::ServeArgs;
use crate::exit::Exit;
use crate::run::error::RunError;
use crate::run::results_index::page;
use crate::run::signals::signalled;
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Serves until a signal.
pub(super) fn serve(args: &ServeArgs) -> Exit {
    if !args.results.is_dir() {
        let error = format!(
            "no results folder {}: run something, or name one with --results",
            args.results.display()
        );
        return output::failure(&error, Exit::Usage);
    }
    match runtime().and_then(|runtime| runtime.block_on(serve_until_signal(args))) {
        Ok(()) => Exit::Pass,
        Err(error) => output::failure(&error, error.exit()),
    }
}

async fn serve_until_signal(args: &ServeArgs) -> Result<(), RunError> {
    let failed = |source| RunError::Surroundings { what: "serve the results", source };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let results = Arc::new(args.results.clone());
    let pages = Router::new().route("/", get(index)).route("/{*path}", get(file)).with_state(results);
    output::result(&format!("http://{address}/"));
    output::status("ready; Ctrl-C ends it");
    let ended = async { drop(signalled().await) };
    axum::serve(listener, pages).with_graceful_shutdown(ended).await.map_err(failed)
}

async fn index(State(results): State<Arc<PathBuf>>) -> Response {
    match page(&results) {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn file(State(results): State<Arc<PathBuf>>, UrlPath(path): UrlPath<String>) -> Response {
    let Some(path) = inside(&results, Path::new(&path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::fs::read(&path).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, kind_of(&path))], bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A file below the results folder. None if the path leads out of it, also by a link.
fn inside(results: &Path, path: &Path) -> Option<PathBuf> {
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let (root, file) = (results.canonicalize().ok()?, results.join(path).canonicalize().ok()?);
    file.starts_with(root).then_some(file)
}

fn kind_of(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("md" | "jsonl" | "log" | "txt" | "toml") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
