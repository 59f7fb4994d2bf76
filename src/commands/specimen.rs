//! The hidden subcommand behind which the embedded cluster's processes run.

use super::run::runtime;
use super::tell;
use crate::cli::{self, Role};
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::exit::Exit;
use crate::target::specimen::{PROCESSES, SETTINGS, settled};
use specimen::serve::{Setup, controller, server, supervisor};
use specimen::{Config, Error};
use std::path::{Path, PathBuf};

/// Runs one process of the cluster until its standard input closes.
pub(super) fn specimen(args: &cli::Specimen) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell::failure(&error, error.exit()),
    };
    let ended = match &args.role {
        Role::Controller { config } => {
            Config::load(config).and_then(|config| runtime.block_on(controller(config)))
        }
        Role::Server { config, name, controller, dir } => {
            Config::load(config).and_then(|config| runtime.block_on(server(name, controller, config, dir)))
        }
        Role::Segments { target_file, dir, set } => {
            let setup = match setup(target_file.as_deref(), dir.as_deref(), set) {
                Ok(setup) => setup,
                Err(error) => return tell::refusal(error),
            };
            runtime.block_on(supervisor(setup, |address| match target_file {
                Some(file) => write_target_file(file, address),
                None => Ok(()),
            }))
        }
    };
    match ended {
        Ok(()) => Exit::Pass,
        Err(error) => tell::failure(&error, Exit::Target),
    }
}

/// What a cluster is started with. Its table is made by the runs.
fn setup(file: Option<&Path>, dir: Option<&Path>, set: &[String]) -> Result<Setup, ConfigError> {
    let refused = |problem: String| ConfigError::Flag { flag: "specimen segments".to_owned(), problem };
    let settings = Settings::parse(set)?;
    settings.refuse_unknown(PROCESSES, SETTINGS)?;
    let settings = settings.left().clone();
    let config = settled(Config::new("none", Vec::new(), 1), &settings).map_err(refused)?;
    let dir = dir.map(Path::to_owned).or_else(|| Some(file?.with_extension("cluster")));
    let dir: PathBuf = dir.ok_or_else(|| refused("name a --target-file or a --dir".to_owned()))?;
    let program = std::env::current_exe().map_err(|error| refused(format!("find this program: {error}")))?;
    Ok(Setup { program, dir, config, settings })
}

fn write_target_file(file: &Path, address: &str) -> Result<(), Error> {
    let text = format!(
        "# A cluster of `dissent specimen segments`; it lives until that process ends.\n\
         system = \"{PROCESSES}\"\n\
         url = \"http://{address}\"\n\n\
         # What a run may do to it. Without a line only reading is allowed.\n\
         [allow]\n\
         writes = true\n\
         holds = true\n\
         restart = true\n\
         pause = true\n"
    );
    let draft = file.with_extension("draft");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, file))
        .map_err(|source| Error::Io { what: format!("write {}", file.display()), source })
}
