//! `dissent proxy`: stands before the place from which replicas download segments, so that plans can make
//! one download slow.

use super::run::runtime;
use super::tell;
use crate::cli;
use crate::exit::Exit;
use crate::hands::proxy::Proxy;
use serde_json::json;

/// Says where it listens, as one line of JSON, and relays until it is ended.
pub(super) fn proxy(args: &cli::Proxy) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell::failure(&error, error.exit()),
    };
    let served = runtime.block_on(async {
        let proxy = Proxy::bind(args.to.clone(), args.listen, args.control).await?;
        let (listen, control) = (proxy.listen()?.to_string(), proxy.control()?);
        tell::result(&json!({ "listen": listen, "control": format!("http://{control}") }).to_string());
        proxy.serve().await
    });
    match served {
        Ok(()) => Exit::Pass,
        Err(error) => tell::failure(&error, Exit::Target),
    }
}
