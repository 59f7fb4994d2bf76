//! `dissent proxy`: stands before the place from which replicas download segments, so that plans can make
//! one download slow.

use super::output;
use super::run::runtime;
use crate::cli;
use crate::exit::Exit;
use crate::faults::proxy::Proxy;
use serde_json::json;

/// Why nothing is relayed.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    /// What was given is no address.
    #[error("--to: `{0}` is not HOST:PORT, such as 127.0.0.1:9000")]
    NoAddress(String),
    /// Nobody knows the host.
    #[error("--to: cannot look up {0}: {1}")]
    LookUp(String, std::io::Error),
    /// The sockets.
    #[error(transparent)]
    Serve(#[from] std::io::Error),
}

/// Says where it listens, as one line of JSON, and relays until it is ended.
pub(super) fn proxy(args: &cli::ProxyArgs) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error, error.exit()),
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => Exit::Pass,
        Err(ProxyError::Serve(error)) => output::failure(&error, Exit::Target),
        Err(error) => output::failure(&error, Exit::Usage),
    }
}

async fn serve(args: &cli::ProxyArgs) -> Result<(), ProxyError> {
    let to = &args.to;
    if !is_address(to) {
        return Err(ProxyError::NoAddress(to.clone()));
    }
    // Looked up once for each connection; what is not found now was misspelt.
    drop(tokio::net::lookup_host(to).await.map_err(|error| ProxyError::LookUp(to.clone(), error))?);
    let proxy = Proxy::bind(to.clone(), args.listen, args.control).await?;
    let (listen, control) = (proxy.listen()?.to_string(), proxy.control()?);
    output::result(&json!({ "listen": listen, "control": format!("http://{control}") }).to_string());
    output::status(&format!("ready: relays to {to}; Ctrl-C ends it"));
    Ok(proxy.serve().await?)
}

/// Whether this is a host and a port.
fn is_address(to: &str) -> bool {
    let parts = to.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}
