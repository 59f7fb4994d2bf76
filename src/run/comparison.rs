//! `dissent compare`: dumps in, a folder with a verdict and its reports out.

use super::error::RunError;
use super::folder_name::in_fresh_folder;
use super::hidden::Hidden;
use super::judging::JudgedRun;
use super::signals::SignalWatch;
use crate::dumps::compare::{EXPECTED, compare};
use crate::dumps::error::DumpError;
use crate::dumps::rows::Pace;
use crate::dumps::source::DumpSource;
use crate::dumps::spec::CompareSpec;
use dissent_core::checker::comparison::{KeyRows, ReplicaRow};
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::history::run_record::{Activity, RunMeta};
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Schema, Value};
use dissent_core::history::time::Nanos;
use dissent_store::names::path_name;
use dissent_store::writing::{StoreError, create_folder};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// The file with every key that differs, one line of JSON each.
const DIFFERENCES: &str = "differences.jsonl.zst";
/// The folder for what does not fit into memory, within the run's.
const SPOOL: &str = "spool";
/// Names of dumps in the name of a folder.
const NAMES_MAX: usize = 4;

/// What to compare, and what becomes of it.
pub struct ComparisonSpec {
    /// The dumps as given: `PATH` or `NAME=PATH`.
    pub dumps: Vec<String>,
    /// Second dumps, in the same order.
    pub later: Vec<String>,
    /// The expected rows.
    pub expected: Option<String>,
    /// The log.
    pub log: Option<String>,
    /// Everything else.
    pub compare: CompareSpec,
    /// Whether keys and values may be shown.
    pub shows_values: bool,
    /// The arguments that repeat it.
    pub command: Vec<String>,
    /// Known issues.
    pub known: Option<KnownIssues>,
}

/// Compares dumps. `watch` is told how many bytes there are to read, and gets the pace.
pub fn run_comparison(
    spec: ComparisonSpec,
    results: &Path,
    watch: &mut dyn FnMut(u64, &Pace),
) -> Result<JudgedRun, RunError> {
    let begun = jiff::Timestamp::now();
    let started = begun.round(jiff::Unit::Millisecond).unwrap_or(begun).to_string();
    let names: Vec<String> =
        spec.dumps.iter().take(NAMES_MAX).map(|word| path_name(last_part(word))).collect();
    let wanted = format!("compare-{}", names.join("-"));
    let (_, folder) = in_fresh_folder(results, &wanted, Folder::create)?;
    let pace = Pace::default();
    let stopped = Arc::new(OnceLock::new());
    let _signals = SignalWatch::begin({
        let (stop, stopped) = (Arc::clone(&pace.stop), Arc::clone(&stopped));
        move |signal| {
            stopped.get_or_init(|| signal);
            stop.store(true, Ordering::Relaxed);
        }
    });
    let judged = compared(spec, &folder, &pace, started, begun, watch);
    folder.clear();
    match (judged, stopped.get()) {
        (Err(RunError::Dump(DumpError::Stopped)), Some(signal)) => {
            folder.remove();
            Err(RunError::StopSignal { signal: *signal, meanwhile: "the dumps were compared" })
        }
        (Err(error), _) => {
            folder.remove();
            Err(error)
        }
        (judged, _) => judged,
    }
}

/// The file's name in `NAME=dumps/a.csv`, or the name that was given.
fn last_part(word: &str) -> &str {
    let word = word.split_once('=').map_or(word, |(name, _)| name);
    let name = word.trim_end_matches('/').rsplit('/').next().unwrap_or(word);
    name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(name)
}

fn compared(
    spec: ComparisonSpec,
    folder: &Folder,
    pace: &Pace,
    started: String,
    begun: jiff::Timestamp,
    watch: &mut dyn FnMut(u64, &Pace),
) -> Result<JudgedRun, RunError> {
    let ComparisonSpec { dumps, later, expected, log, compare: mut rules, shows_values, command, known } =
        spec;
    let spool = folder.spool();
    let source = |word: &String| DumpSource::of(word, &spool, pace);
    rules.dumps = dumps.iter().map(source).collect::<Result<_, _>>()?;
    rules.later = later.iter().map(source).collect::<Result<_, _>>()?;
    rules.expected = expected.iter().map(source).next().transpose()?;
    rules.log = log.iter().map(source).next().transpose()?;
    check_names(&rules)?;
    let sources = || rules.dumps.iter().chain(&rules.later).chain(&rules.expected).chain(&rules.log);
    watch(sources().map(DumpSource::bytes).sum(), pace);
    let hidden = (!shows_values).then(Hidden::with_random_key);
    let replicas: Vec<String> = rules.dumps.iter().map(|source| source.name.clone()).collect();
    let mut differences = Differences::create(&folder.0, &replicas, hidden.as_ref())?;
    let outcome = compare(&rules, &spool, pace, &mut |columns, rows| differences.push(columns, rows))?;
    differences.finish()?;
    let mut verdict = outcome.verdict;
    hidden.iter().for_each(|hidden| hidden.verdict(&mut verdict));
    let mut meta = RunMeta::of_reading(
        Activity::Compare,
        &replicas.join(" "),
        &replicas,
        &schema(&rules, outcome.columns),
    );
    meta.settings = read_from(&rules);
    meta.command = command;
    meta.started = started;
    let duration =
        Nanos(u64::try_from(jiff::Timestamp::now().duration_since(begun).as_nanos()).unwrap_or(u64::MAX));
    let mut judged = JudgedRun::of_contents(&meta, verdict, duration);
    known.iter().for_each(|list| judged.acknowledge(list));
    judged.write_reports(&folder.0, "")?;
    Ok(judged)
}

/// By replica, the dumps that its rows were read from; and the referee's file.
fn read_from(spec: &CompareSpec) -> BTreeMap<String, String> {
    let referee = spec.expected.iter().chain(&spec.log);
    let mut from: BTreeMap<String, String> =
        referee.map(|source| (EXPECTED.to_owned(), source.given.clone())).collect();
    for (at, first) in spec.dumps.iter().enumerate() {
        let later = spec.later.get(at).map(|later| format!(", and later from {}", later.given));
        from.insert(first.name.clone(), first.given.clone() + &later.unwrap_or_default());
    }
    from
}

fn check_names(spec: &CompareSpec) -> Result<(), DumpError> {
    let names: Vec<&String> = spec.dumps.iter().map(|source| &source.name).collect();
    if let Some(name) =
        names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name)
    {
        return Err(DumpError::Usage(format!(
            "two dumps are called {name}: name them, as in a={name}.csv b=.."
        )));
    }
    let has_referee = spec.expected.is_some() || spec.log.is_some();
    if let ([one], false) = (names.as_slice(), has_referee) {
        return Err(DumpError::Usage(format!(
            "{one} alone is compared with nothing: add the dump of another replica, --model or --log"
        )));
    }
    let later: Vec<&String> = spec.later.iter().map(|source| &source.name).collect();
    if later != names && later.len() == names.len() && names.iter().all(|name| later.contains(name)) {
        return Err(DumpError::Usage(format!(
            "the later dumps come in another order than the first ones: name first {}",
            names[0]
        )));
    }
    if !spec.later.is_empty() && spec.later.len() != spec.dumps.len() {
        let (first, second) = (spec.dumps.len(), spec.later.len());
        return Err(DumpError::Usage(format!(
            "{first} dumps, but {second} later ones: name one of each replica"
        )));
    }
    match spec.positions.keys().find(|name| !names.contains(name)) {
        Some(name) => Err(DumpError::Usage(format!(
            "a position is given of {name}, but no dump is called so: there are {}",
            spec.dumps.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ")
        ))),
        None => Ok(()),
    }
}

fn schema(spec: &CompareSpec, columns: Vec<Column>) -> Schema {
    Schema {
        key: spec.columns.key.join(","),
        comparison: spec.version.clone().unwrap_or_default(),
        rules: Rules { may_be_absent: spec.may_be_absent.clone(), ..Rules::default() },
        ..Schema::plain("", columns)
    }
}

/// The folder of a comparison. Only its owner may read it.
struct Folder(PathBuf);

impl Folder {
    fn create(dir: &Path) -> Result<Folder, StoreError> {
        create_folder(dir)?;
        let folder = Folder(dir.to_owned());
        create_folder(&folder.spool())?;
        Ok(folder)
    }

    fn spool(&self) -> PathBuf {
        self.0.join(SPOOL)
    }

    /// Removes what was only needed meanwhile.
    fn clear(&self) {
        drop(fs::remove_dir_all(self.spool()));
    }

    /// Removes a folder that has no verdict.
    fn remove(&self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Writes every key that differs.
struct Differences<'d> {
    replicas: &'d [String],
    hidden: Option<&'d Hidden>,
    file: PathBuf,
    out: zstd::Encoder<'static, File>,
}

impl<'d> Differences<'d> {
    fn create(dir: &Path, replicas: &'d [String], hidden: Option<&'d Hidden>) -> Result<Self, DumpError> {
        let file = dir.join(DIFFERENCES);
        let out = File::create(&file).and_then(|out| zstd::Encoder::new(out, 3));
        let out = out.map_err(DumpError::io("write", &file))?;
        Ok(Differences { replicas, hidden, file, out })
    }

    fn push(&mut self, columns: &[Column], rows: &KeyRows) -> Result<(), DumpError> {
        let value = |value: &Value| self.hidden.map_or_else(|| value.clone(), |hidden| hidden.value(value));
        let row = |row: &ReplicaRow| -> serde_json::Map<String, serde_json::Value> {
            let cells = columns.iter().zip(&row.cols);
            cells.map(|(column, cell)| (column.name.clone(), json!(value(cell)))).collect()
        };
        let shown = self.replicas.iter().zip(&rows.shown);
        let shown: serde_json::Map<String, serde_json::Value> = shown
            .map(|(replica, rows)| {
                (replica.clone(), json!(rows.iter().flatten().map(row).collect::<Vec<_>>()))
            })
            .collect();
        let key = self.hidden.map_or_else(|| rows.key.clone(), |hidden| hidden.key(&rows.key));
        let line = json!({ "key": key, "shown": shown });
        writeln!(self.out, "{line}").map_err(DumpError::io("write", &self.file))
    }

    fn finish(self) -> Result<(), DumpError> {
        self.out.finish().map(drop).map_err(DumpError::io("write", &self.file))
    }
}
