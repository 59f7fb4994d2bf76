//! `dissent compare`: dumps that the user brings, one of each replica.

use super::contents::{print_error, print_verdict, write_privately};
use super::output;
use super::progress;
use crate::cli;
use crate::config::known_issues;
use crate::dumps::digests::Columns;
use crate::dumps::rows::{DumpFormat, Pace};
use crate::dumps::spec::CompareSpec;
use crate::exit::Exit;
use crate::run::comparison::{ComparisonSpec, run_comparison};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How many times each dump is read.
const PASSES: u64 = 2;

/// Compares the dumps, and prints the verdict.
pub(super) fn compare(args: &cli::CompareArgs) -> Exit {
    write_privately();
    let known = match args.known.as_deref().map(known_issues::load).transpose() {
        Ok(known) => known,
        Err(error) => return output::refusal(error),
    };
    let spec = ComparisonSpec {
        dumps: args.dumps.clone(),
        later: args.later.clone(),
        expected: args.model.clone(),
        log: args.log.clone(),
        compare: rules(args),
        shows_values: args.show_values,
        command: output::words_after("compare"),
        known,
    };
    let bar: Mutex<Option<ReadingBar>> = Mutex::new(None);
    let judged = run_comparison(spec, &args.output.results, &mut |bytes, pace| {
        *bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(ReadingBar::new(bytes * PASSES, pace));
    });
    drop(bar);
    match judged {
        Ok(judged) => print_verdict(&judged, args.show_values, args.output.format),
        Err(error) => print_error(&error),
    }
}

fn rules(args: &cli::CompareArgs) -> CompareSpec {
    CompareSpec {
        columns: Columns {
            key: args.key.clone(),
            ignore: args.ignore.iter().cloned().collect(),
            types: args.types.iter().cloned().collect(),
        },
        format: DumpFormat { delimiter: args.delimiter, null: args.null.clone() },
        log_is_whole: args.log_is_whole,
        merges: args.merges.iter().cloned().collect(),
        version: args.version.clone(),
        deleted: args.deleted.clone(),
        expired_below: args.expired_below.clone(),
        may_be_absent: args.may_be_absent.iter().copied().collect(),
        tolerance: args.tolerance,
        settled: args.settled,
        positions: args.positions.iter().cloned().collect(),
        version_is_position: args.version_is_position,
        memory: args.memory << 20,
        ..CompareSpec::default()
    }
}

/// Shows how much of the dumps was read.
struct ReadingBar {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ReadingBar {
    fn new(bytes: u64, pace: &Pace) -> ReadingBar {
        let ended = Arc::new(AtomicBool::new(false));
        let thread = output::is_watched().then(|| {
            let (read, ended) = (Arc::clone(&pace.read), Arc::clone(&ended));
            std::thread::spawn(move || {
                let bar = progress::reading(bytes);
                while !ended.load(Ordering::Relaxed) {
                    bar.set_position(read.load(Ordering::Relaxed).min(bytes));
                    std::thread::sleep(Duration::from_millis(100));
                }
                bar.finish_and_clear();
            })
        });
        ReadingBar { ended, thread }
    }
}

impl Drop for ReadingBar {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
