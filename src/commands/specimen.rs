//! The hidden subcommand that runs the processes of the built-in clusters.

use super::output;
use super::runtime::runtime;
use crate::adapter::specimen::{SpecimenKind, segments_settings, shard_settings};
use crate::cli::{self, Role, Supervised};
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::exit::Exit;
use specimen::Error;
use specimen::segments::Config;
use specimen::serve::{Setup, Topology, controller, server, shard as shard_service, supervisor, writer};
use specimen::shard::Mode;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the target file of a cluster of servers allows.
const ALLOW_SEGMENTS: &[&str] = &["writes", "holds", "restart", "pause", "network", "machines"];
/// What the target file of a shared shard allows.
const ALLOW_SHARD: &[&str] = &["writes", "holds", "restart", "pause", "network", "machines", "writers"];

/// Runs one process of a cluster until its standard input closes.
pub(super) fn specimen(args: &cli::SpecimenArgs) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error, error.exit()),
    };
    let ended = match &args.role {
        Role::Controller { config } => {
            Config::load(config).and_then(|config| runtime.block_on(controller(config)))
        }
        Role::Server { config, name, controller, dir, host } => Config::load(config)
            .and_then(|config| runtime.block_on(server(name, controller, config, dir, host))),
        Role::ShardService { config } => {
            specimen::shard::Config::load(config).and_then(|config| runtime.block_on(shard_service(config)))
        }
        Role::Writer { config, name, incarnation, service, read_only, host } => {
            let life = (*incarnation, if *read_only { Mode::ReadOnly } else { Mode::ReadWrite });
            specimen::shard::Config::load(config)
                .and_then(|config| runtime.block_on(writer(name, life, service, config, host)))
        }
        Role::Segments(args) => {
            let config = |set: &_| segments_settings::settled(Config::new("none", Vec::new(), 1), set);
            return supervise(&runtime, args, SpecimenKind::Segments, config, ALLOW_SEGMENTS);
        }
        Role::Shard(args) => {
            let config =
                |set: &_| shard_settings::settled(specimen::shard::Config::new("none", Vec::new()), set);
            return supervise(&runtime, args, SpecimenKind::Shard, config, ALLOW_SHARD);
        }
    };
    told(ended)
}

fn told(ended: Result<(), Error>) -> Exit {
    match ended {
        Ok(()) => Exit::Pass,
        Err(error) => output::failure(&error, Exit::Target),
    }
}

/// Runs a supervisor. The runs create the table of its cluster.
fn supervise<C: Topology>(
    runtime: &tokio::runtime::Runtime,
    args: &Supervised,
    system: SpecimenKind,
    config: impl Fn(&BTreeMap<String, String>) -> Result<C, String>,
    allow: &[&str],
) -> Exit {
    let setup = match setup(args, system, config) {
        Ok(setup) => setup,
        Err(error) => return output::refusal(error),
    };
    told(runtime.block_on(supervisor(setup, |address| match &args.target_file {
        Some(file) => write_target_file(file, system, address, allow),
        None => Ok(()),
    })))
}

/// The setup of a cluster.
fn setup<C>(
    Supervised { target_file, dir, set }: &Supervised,
    system: SpecimenKind,
    config: impl Fn(&BTreeMap<String, String>) -> Result<C, String>,
) -> Result<Setup<C>, ConfigError> {
    let name = system.processes();
    let refused = |problem: String| ConfigError::Flag { flag: name.replace('-', " "), problem };
    let settings = Settings::parse(set)?;
    settings.refuse_unknown(name, system.settings())?;
    let settings = settings.left().clone();
    let config = config(&settings).map_err(refused)?;
    let beside = || Some(target_file.as_ref()?.with_extension("cluster"));
    let dir: Option<PathBuf> = dir.clone().or_else(beside);
    let dir = dir.ok_or_else(|| refused("give --target-file or --dir".to_owned()))?;
    let program =
        std::env::current_exe().map_err(|error| refused(format!("cannot find this program: {error}")))?;
    Ok(Setup { program, dir, config, settings })
}

fn write_target_file(file: &Path, system: SpecimenKind, address: &str, allow: &[&str]) -> Result<(), Error> {
    let name = system.processes();
    let allowed: String = allow.iter().map(|line| format!("{line} = true\n")).collect();
    let text = format!(
        "# A cluster of `dissent {}`. It runs until that process ends.\n\
         system = \"{name}\"\n\
         url = \"http://{address}\"\n\n\
         # What a run may do to it. Anything not listed is not allowed, except reading.\n\
         [allow]\n\
         {allowed}",
        name.replace('-', " "),
    );
    let draft = file.with_extension("draft");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, file))
        .map_err(|source| Error::Io { what: format!("write {}", file.display()), source })
}
