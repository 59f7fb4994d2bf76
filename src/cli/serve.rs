//! The options of `dissent serve`.

use clap::Args;
use std::path::PathBuf;

/// `dissent serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Folder to show
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
    /// Port on 127.0.0.1 [default: one that is free]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
}
