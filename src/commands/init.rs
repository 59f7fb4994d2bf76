//! `dissent init`: generates a target file by querying a cluster.

use super::output;
use super::runtime::runtime;
use crate::adapter;
use crate::adapter::discovery::{DiscoveryError, DiscoveryRequest};
use crate::adapter::system::{MissingLine, System};
use crate::adapter::target_text::target_file;
use crate::cli;
use crate::config::access::Credentials;
use crate::config::error::{ConfigError, InvalidValue};
use crate::exit::Exit;
use crate::run::error::RunError;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Why no target file was written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    /// The system is unknown, or the address is none of its.
    #[error("{0}: {1}")]
    Argument(String, String),
    /// The cluster cannot be described.
    #[error(transparent)]
    Draft(#[from] DiscoveryError),
    /// The runtime failed.
    #[error(transparent)]
    Surroundings(#[from] RunError),
    /// The file exists.
    #[error("{0} already exists: choose another file with --out, or overwrite it with --force")]
    There(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
    /// The file cannot be read back.
    #[error(transparent)]
    File(#[from] ConfigError),
}

impl InitError {
    fn exit(&self) -> Exit {
        match self {
            InitError::Draft(DiscoveryError::Target(_) | DiscoveryError::OtherService(_)) => Exit::Target,
            InitError::Surroundings(error) => error.exit(),
            _ => Exit::Usage,
        }
    }
}

/// Queries the cluster, writes the file, and prints the next step.
pub(super) fn init(args: &cli::InitArgs) -> Exit {
    match written(args) {
        Ok(()) => Exit::Pass,
        Err(error) => output::failure(&error, error.exit()),
    }
}

fn written(args: &cli::InitArgs) -> Result<(), InitError> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.toml", args.system)));
    let system = system(args)?;
    let wanted = wanted(args);
    if out.exists() && !args.force {
        return Err(InitError::There(out));
    }
    let draft = runtime()?.block_on(system.discover(&wanted))?;
    write(&out, &target_file(system, &draft, &wanted), args.force)?;
    // A cluster may return anything, so verify at once that the result is a target file.
    let name = out.display().to_string();
    let file = adapter::load_target(&name)?;
    draft.found.iter().for_each(|line| output::result(line));
    output::result(&format!("written: {name}. It allows only reading."));
    if let Some(MissingLine { what, line }) = system.missing_line(&file) {
        output::result(&format!("It does not give {what}: a run needs the line `{line}`."));
    }
    if !draft.guessed.is_empty() {
        output::result(&format!("Correct its addresses under [servers]: {} is a guess.", draft.guessed));
    }
    output::result(&format!("next: dissent doctor {name}"));
    Ok(())
}

/// The system of this name, if the address can be one of its clusters.
fn system(args: &cli::InitArgs) -> Result<&'static dyn System, InitError> {
    let invalid = |wrong: InvalidValue| InitError::Argument(wrong.problem, wrong.help);
    let system = adapter::check_name(&args.system).map_err(invalid)?;
    system.check_address(&args.url).map_err(invalid)?;
    Ok(system)
}

fn wanted(args: &cli::InitArgs) -> DiscoveryRequest {
    let (user, password_env) = (args.user.clone(), args.password_env.clone());
    let token_env = args.token_env.clone();
    let given = Credentials { user, password_env, token_env, ..Credentials::default() };
    let credentials = Some(given).filter(|given| *given != Credentials::default());
    let (system, url, table, ca) =
        (args.system.clone(), args.url.clone(), args.table.clone(), args.ca.clone());
    DiscoveryRequest { system, url, table, credentials, ca }
}

fn write(out: &Path, text: &str, force: bool) -> Result<(), InitError> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => InitError::There(out.to_owned()),
        _ => InitError::Write(out.to_owned(), error),
    };
    let mut options = OpenOptions::new();
    options.write(true).truncate(force).create(force).create_new(!force);
    options.open(out).and_then(|mut file| file.write_all(text.as_bytes())).map_err(cannot)
}
