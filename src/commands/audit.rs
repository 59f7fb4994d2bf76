//! `dissent audit`: what the replicas of a cluster hold, read and compared.

use super::contents::{print_error, print_verdict, write_privately};
use super::output;
use super::progress;
use super::runtime::runtime;
use super::target_argument::target_file;
use crate::adapter;
use crate::cli::{self, Format};
use crate::config::known_issues;
use crate::exit::Exit;
use crate::report::format::{bytes, count, counted, span};
use crate::run::audit::{AuditObserver, AuditSpec, Estimate, estimate, run_audit};
use crate::run::error::RunError;
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use indicatif::ProgressBar;
use serde_json::json;

/// Audits the table, and prints the verdict.
pub(super) fn audit(args: &cli::AuditArgs) -> Exit {
    write_privately();
    let file = match target_file(&args.target) {
        Ok(file) => file,
        Err(error) => return output::refusal(error),
    };
    let known = match args.known.as_deref().map(known_issues::load).transpose() {
        Ok(known) => known,
        Err(error) => return output::refusal(error),
    };
    let Some(table) = args.table.clone().or_else(|| file.table.name.clone()) else {
        return output::failure(&"no table is named: add --table NAME", Exit::Usage);
    };
    let spec = AuditSpec {
        file,
        chunk_rows: args.chunk_rows,
        sample_percent: args.sample,
        seed: Seed(args.seed),
        part: args.part,
        plan: args.plan.clone(),
        wait: args.wait,
        settle: args.settle,
        tries: args.tries,
        shows_values: args.show_values,
        with_log: args.log,
        resume: args.resume.clone(),
        command: output::words_after("audit"),
        known,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error, error.exit()),
    };
    let done = runtime.block_on(async {
        let contents = adapter::reach_contents(&spec.file, &table).await?;
        if args.plan_only {
            return Ok(tell(&estimate(&spec, &*contents).await?, args.output.format));
        }
        let mut bar = ChunkBar::new();
        let judged = run_audit(&spec, &*contents, &args.output.results, &mut bar).await;
        bar.end();
        Ok::<Exit, RunError>(print_verdict(&judged?, args.show_values, args.output.format))
    });
    done.unwrap_or_else(|error| match error {
        RunError::Target(error) if !args.show_values => print_error(&error.without_data().into()),
        error => print_error(&error),
    })
}

/// Prints an estimate.
fn tell(estimate: &Estimate, format: Format) -> Exit {
    let Estimate { table, rows, bytes: size, replicas, chunks: (all, taken), read_whole, .. } = estimate;
    let Estimate { queries, time, received, if_one_differs, .. } = estimate;
    let millis = time.as_millis();
    match format {
        Format::Json => output::result(
            &json!({
                "table": table, "replicas": replicas, "rows": rows, "bytes": size, "chunks": all,
                "chunks_taken": taken, "queries": queries, "time_ms": millis as u64,
                "received_bytes": received, "chunks_read_whole": read_whole,
                "received_bytes_if_one_differs": if_one_differs,
            })
            .to_string(),
        ),
        Format::Human => {
            let rows = match *rows {
                0 => "an unknown number of".to_owned(),
                rows => format!("about {}", count(rows)),
            };
            output::result(&format!("table      {table}: {rows} rows, {}", bytes(*size)));
            output::result(&format!("replicas   {}", replicas.join(", ")));
            output::result(&format!("chunks     {} of {}", count(*taken), count(*all)));
            output::result(&format!("queries    {} if nothing differs", count(*queries)));
            let time = span(Nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)));
            output::result(&format!("time       about {time}, as one chunk of each kind took"));
            let digests = taken - read_whole;
            output::result(&format!(
                "received   about {} if nothing differs: digests of {}, all rows of {}; not counting a log",
                bytes(*received),
                counted(digests, "chunk"),
                counted(*read_whole, "chunk"),
            ));
            if let Some(more) = if_one_differs {
                output::result(&format!(
                    "           up to about {} more for a chunk whose digests differ",
                    bytes(*more)
                ));
            }
        }
    }
    Exit::Pass
}

/// Shows how many chunks are done.
struct ChunkBar(Option<ProgressBar>);

impl ChunkBar {
    fn new() -> ChunkBar {
        ChunkBar(output::is_watched().then(progress::chunks))
    }

    fn end(self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

impl AuditObserver for ChunkBar {
    fn chunks(&mut self, done: u64, of: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(of);
            bar.set_position(done);
        }
    }
}
