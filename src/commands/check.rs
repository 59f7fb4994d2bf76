//! `dissent check`: checks recorded runs again.

use super::tell;
use crate::cli::{self, Format};
use crate::config::known;
use crate::exit::Exit;
use crate::run::conclude::Judged;
use crate::run::one::RunError;
use dissent_core::checker::judge::Oracle;
use dissent_core::checker::known_issue::KnownIssues;
use dissent_store::folder::Folder;
use dissent_store::latest::resolve;

/// Suffix of the new verdict, which is written next to the old one.
const SUFFIX: &str = "checked";

/// Suffix of a verdict from comparing replicas only with each other.
const BY_PEERS: &str = "peers";

/// Checks each run again. As JSON, the verdicts of several runs are one list.
pub(super) fn check(args: &cli::Check) -> Exit {
    let known = match args.known.as_deref().map(known::load).transpose() {
        Ok(known) => known,
        Err(error) => return tell::refusal(error),
    };
    let mut worst = Exit::Pass;
    let listed = args.output.format == Format::Json && args.runs.len() > 1;
    for (at, run) in args.runs.iter().enumerate() {
        if listed {
            tell::result(if at == 0 { "[" } else { "," });
        }
        let exit = match check_one(args, run, known.as_ref()) {
            Ok(judged) => {
                tell::verdict(&judged, args.output.format);
                judged.exit
            }
            Err(error) => tell::failure(&error, error.exit()),
        };
        worst = worst.worst(exit);
    }
    if listed {
        tell::result("]");
    }
    worst
}

fn check_one(args: &cli::Check, run: &str, known: Option<&KnownIssues>) -> Result<Judged, RunError> {
    let dir = resolve(&args.output.results, run)?;
    let evidence = Folder::open(&dir)?;
    let (oracle, suffix) = match args.peers_only {
        true => (Oracle::PeersAlone, BY_PEERS),
        false => (Oracle::PeersAndModel, SUFFIX),
    };
    let mut judged = Judged::for_page(&evidence, oracle, Exit::Pass);
    known.into_iter().for_each(|list| judged.acknowledge(list));
    // A read-only archive can still be checked.
    if let Err(error) = judged.write(&evidence, &dir, suffix) {
        tell::aside(&format!("the verdict is printed, but not saved: {error}"));
    }
    Ok(judged)
}
