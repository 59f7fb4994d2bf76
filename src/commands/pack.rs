//! `dissent pack`: a run as one file for an upstream issue.

use super::output;
use crate::cli;
use crate::exit::Exit;
use crate::report::format::count;
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use crate::run::pack::{PackError, PackedFile, files, write};
use dissent_core::checker::judge::Oracle;
use dissent_core::history::run_record::RunRecord as _;
use dissent_store::latest_run::resolve;
use dissent_store::run_reader::RunReader;
use std::path::PathBuf;

/// Why a run was not packed.
#[derive(Debug, thiserror::Error)]
enum PackCommandError {
    /// No such run, or it cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The pack could not be made.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Packs a run, and prints what is inside.
pub(super) fn pack(args: &cli::PackArgs) -> Exit {
    match packed(args) {
        Ok((out, files, size)) => {
            for PackedFile { name, bytes } in files {
                output::result(&format!("  {name:<16}{:>12} bytes", count(bytes.len() as u64)));
            }
            let values = if args.with_values { "as they are" } else { "hashed" };
            output::result(&format!("keys and values are {values}; look through it before you publish it"));
            output::result(&format!("{}  {} bytes", out.display(), count(size)));
            Exit::Pass
        }
        Err(PackCommandError::Run(error)) => output::failure(&error, error.exit()),
        Err(PackCommandError::Pack(error @ PackError::Io { .. })) => output::failure(&error, Exit::Usage),
        Err(error) => output::failure(&error, Exit::Bug),
    }
}

fn packed(args: &cli::PackArgs) -> Result<(PathBuf, Vec<PackedFile>, u64), PackCommandError> {
    let dir = resolve(&args.results, &args.run).map_err(RunError::from)?;
    let record = RunReader::open(&dir).map_err(RunError::from)?;
    let mut judged = JudgedRun::for_page(&record, Oracle::default(), Exit::Pass);
    judged.name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.tar.zst", judged.name)));
    // If the file is gone, hosts are known only by their shape.
    let target_file = record.meta().target_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let files = files(&record, &judged, target_file.as_deref(), args.with_values)?;
    let size = write(&out, &files)?;
    Ok((out, files, size))
}
