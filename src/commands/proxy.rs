//! `dissent proxy`: relays the segment downloads of replicas, so that plans can delay one of them.

use super::output;
use super::runtime::runtime;
use crate::cli;
use crate::exit::Exit;
use crate::faults::proxy::Proxy;
use serde_json::json;

/// Why the proxy stopped.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    /// The argument is not an address.
    #[error("--to: `{0}` is not HOST:PORT, such as 127.0.0.1:9000")]
    NoAddress(String),
    /// The host name does not resolve.
    #[error("--to: cannot resolve {0}: {1}")]
    LookUp(String, std::io::Error),
    /// A socket failed.
    #[error(transparent)]
    Serve(#[from] std::io::Error),
}

/// Prints its addresses as one line of JSON, and relays until it is stopped.
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
    // Each connection resolves it again. A name that fails now was misspelt.
    drop(tokio::net::lookup_host(to).await.map_err(|error| ProxyError::LookUp(to.clone(), error))?);
    let proxy = Proxy::bind(to.clone(), args.listen, args.control).await?;
    let (listen, control) = (proxy.listen()?.to_string(), proxy.control()?);
    output::result(&json!({ "listen": listen, "control": format!("http://{control}") }).to_string());
    output::status(&format!("ready: relaying to {to}; stop with Ctrl-C"));
    Ok(proxy.serve().await?)
}

/// Whether this is a host and a port.
fn is_address(to: &str) -> bool {
    let parts = to.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}
