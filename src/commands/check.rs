//! `dissent check`: checks recorded runs again.

use super::output::{self, Verdicts};
use crate::cli::{self, Format};
use crate::config::known_issues;
use crate::exit::Exit;
use crate::report::explain;
use crate::run::audit::{is_audit, judge_again};
use crate::run::error::RunError;
use crate::run::imports::{Imports, imports};
use crate::run::judging::JudgedRun;
use dissent_core::checker::judge::Oracle;
use dissent_core::checker::verdict::document::DocumentEnd;
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::history::run_record::{RunRecord, WithImports};
use dissent_store::latest_run::resolve;
use dissent_store::run_reader::RunReader;
use std::path::PathBuf;

/// Suffix of the new verdict, which is written next to the old one.
const SUFFIX: &str = "checked";

/// Suffix of a verdict from comparing replicas only with each other.
const BY_PEERS: &str = "peers";

/// Suffix of the verdict on several audits that were put together.
const JOINED: &str = "joined";

/// Checks each run again.
pub(super) fn check(args: &cli::CheckArgs) -> Exit {
    let known = match args.known.as_deref().map(known_issues::load).transpose() {
        Ok(known) => known,
        Err(error) => return output::refusal(error),
    };
    let mut worst = Exit::Pass;
    let mut verdicts = Verdicts::new(args.output.format);
    if args.join {
        let exit = match join(args, known.as_ref()) {
            Ok(judged) => {
                verdicts.judged(&judged);
                judged.exit
            }
            Err(error) => verdicts.unread(&args.runs.join(" "), &error),
        };
        verdicts.end(&DocumentEnd { exit_code: exit as u8, ..DocumentEnd::default() });
        return exit;
    }
    for run in &args.runs {
        let exit = match check_one(args, run, known.as_ref()) {
            Ok(judged) => {
                if args.explain && args.output.format == Format::Human {
                    let (verdict, meta) = (&judged.verdict, &judged.meta);
                    output::result(explain::explanation(verdict, meta, output::style()).trim_end());
                }
                verdicts.judged(&judged);
                judged.exit
            }
            Err(error) => verdicts.unread(run, &error),
        };
        worst = worst.worst(exit);
    }
    verdicts.end(&DocumentEnd { exit_code: worst as u8, ..DocumentEnd::default() });
    worst
}

/// One verdict on all audits: the parts of one table.
fn join(args: &cli::CheckArgs, known: Option<&KnownIssues>) -> Result<JudgedRun, RunError> {
    let dirs = args.runs.iter().map(|run| resolve(&args.output.results, run));
    let dirs = dirs.collect::<Result<Vec<PathBuf>, _>>()?;
    let mut judged = judge_again(&dirs)?;
    known.into_iter().for_each(|list| judged.acknowledge(list));
    if let Some(first) = dirs.first()
        && let Err(error) = judged.write_reports(first, JOINED)
    {
        output::status(&format!("the verdict is printed, but not saved: {error}"));
    }
    Ok(judged)
}

fn check_one(args: &cli::CheckArgs, run: &str, known: Option<&KnownIssues>) -> Result<JudgedRun, RunError> {
    let dir = resolve(&args.output.results, run)?;
    if is_audit(&dir) {
        let mut judged = judge_again(std::slice::from_ref(&dir))?;
        known.into_iter().for_each(|list| judged.acknowledge(list));
        if let Err(error) = judged.write_reports(&dir, SUFFIX) {
            output::status(&format!("the verdict is printed, but not saved: {error}"));
        }
        return Ok(judged);
    }
    let evidence = RunReader::open(&dir)?.with_memory(args.memory << 20);
    let (oracle, suffix) = match args.peers_only {
        true => (Oracle::PeersAlone, BY_PEERS),
        false => (Oracle::PeersAndModel, SUFFIX),
    };
    let evidence = with_imports(args, &evidence)?;
    let mut judged = JudgedRun::for_page(&evidence, oracle, Exit::Pass);
    known.into_iter().for_each(|list| judged.acknowledge(list));
    // A read-only archive can still be checked.
    if let Err(error) = judged.write(&evidence, &dir, suffix) {
        output::status(&format!("the verdict is printed, but not saved: {error}"));
    }
    Ok(judged)
}

/// The record with the events that the user brings.
fn with_imports<'r>(args: &cli::CheckArgs, record: &'r dyn RunRecord) -> Result<WithImports<'r>, RunError> {
    let (events, logs, release) = (args.events.as_deref(), args.logs.as_deref(), args.release.as_deref());
    let Imports { records, left_out } = imports(record.meta(), events, logs, release)?;
    for file in left_out {
        output::status(&format!("not read, because no node of the run is called so: {}", file.display()));
    }
    Ok(WithImports { record, imported: records })
}
