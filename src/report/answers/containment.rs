//! How to contain a divergence while its cause is examined: what is affected, what not to do yet, how to
//! look at it, and how to run it again.

use super::answer::Answer;
use super::divergence::{KEYS_LISTED, right};
use crate::adapter::containment;
use crate::adapter::containment::{Affected, Containment, ContainmentStep};
use crate::report::format::{Clock, count, counted, joined, listed, modelled, printable, quoted, repeat};
use dissent_core::checker::verdict::{Course, Divergence, Side};
use dissent_core::history::run_record::RunMeta;

/// Commands shown of one kind.
const COMMANDS_MAX: usize = 4;

/// All answers on containment.
pub(in crate::report) fn answers(d: &Divergence, meta: &RunMeta, clock: &Clock) -> Vec<Answer> {
    let own = own_commands(d, meta);
    let mut look = vec![format!("from this run's record: `dissent raw latest {}`", key(d))];
    // A store without a log does not tell the schema of a table either, which `raw` asks for.
    if let Some(file) = meta.target_file.as_ref().filter(|_| !meta.schema.rules.has_own_log()) {
        look.insert(0, format!("from the cluster: `dissent raw {} {}`", quoted(file), key(d)));
    }
    look.extend(commands(&own.read_key));
    let not_yet = warnings(d).into_iter().chain(own.not_yet.iter().cloned()).collect();
    let mut answers = vec![affected(d, clock), Answer::lines("What not to do yet?", "do not", not_yet)];
    if !own.isolate.is_empty() {
        answers.push(Answer::lines("How to isolate it?", "isolate", commands(&own.isolate)));
    }
    if !own.preserve.is_empty() {
        answers.push(Answer::lines("How to preserve the evidence?", "preserve", commands(&own.preserve)));
    }
    answers.extend([
        Answer::lines("How to read one affected key on every replica?", "read a key", look),
        Answer::new(
            "How to hand it on?",
            "hand on",
            "`dissent pack latest` makes one file for an upstream issue; keys and values are hashed"
                .to_owned(),
        ),
        Answer::new("How to run it again?", "run again", format!("`{}`", repeat(meta))),
    ]);
    answers
}

/// What the target's own tools can do. A simulated cluster is gone, and has none.
fn own_commands(d: &Divergence, meta: &RunMeta) -> Containment {
    let affected = Affected {
        table: &meta.schema.table,
        segments: &d.segments,
        wrong: &d.last.wrong,
        right: &right(&d.last),
        key_column: &meta.schema.key,
        key: d.keys.first().map_or("KEY", String::as_str),
    };
    containment(&meta.target, &affected)
}

/// `its purpose: `command``, at most a few.
fn commands(steps: &[ContainmentStep]) -> Vec<String> {
    let shown = steps
        .iter()
        .take(COMMANDS_MAX)
        .map(|step| format!("{}: `{}`", printable(&step.purpose), printable(&step.command)));
    let left = steps.len().saturating_sub(COMMANDS_MAX);
    let more = (left > 0).then(|| format!("and {} like these", counted(left as u64, "more command")));
    shown.chain(more).collect()
}

fn key(d: &Divergence) -> String {
    d.keys.first().map_or_else(|| "KEY".to_owned(), |key| quoted(key))
}

fn affected(d: &Divergence, clock: &Clock) -> Answer {
    let short = format!(
        "{} in partition {}{}{}",
        counted(d.key_count(), "key"),
        d.partition,
        d.offsets().map_or(String::new(), |(from, to)| format!(", offsets {} to {}", count(from), count(to))),
        match d.segments.is_empty() {
            true => String::new(),
            false => format!(", segments {}", listed(&d.segments, KEYS_LISTED)),
        },
    );
    let window = d.window().map(|(from, to)| {
        format!("These writes were acknowledged from {} to {}.", clock.both(from), clock.both(to))
    });
    let all = "All keys, for scripts: `keys.jsonl` beside this report.".to_owned();
    Answer::new("What is affected?", "affected", short).because(window.into_iter().chain([all]).collect())
}

/// What would destroy evidence or right copies.
fn warnings(d: &Divergence) -> Vec<String> {
    let holders = right(&d.last);
    let right = joined(&holders);
    let began = joined(&d.replicas);
    let restart = format!("do not restart {began}: its memory and logs are evidence");
    if !modelled(d) {
        return vec![restart, "do not reload any replica: the smaller group may be the right one".to_owned()];
    }
    match (d.course, d.last.side) {
        (Course::Healed, _) => vec![restart],
        (_, Side::All) => {
            vec![restart, "do not let retention or compaction remove the log that a replay needs".to_owned()]
        }
        (_, Side::Majority) => vec![
            format!("do not reload, rebalance or restart {right}: it may replace the last right copy"),
            format!("do not repair by majority: most replicas are wrong, and {right} would be overwritten"),
            restart,
        ],
        _ if d.segments.is_empty() => {
            vec![restart, format!("do not let {began} become primary, or a copy be made of it")]
        }
        _ => vec![
            restart,
            format!("do not reload {right} while {began} may become the source of a committed copy"),
        ],
    }
}
