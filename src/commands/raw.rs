//! `dissent raw`: what every replica holds for one key, side by side.

use super::output;
use super::target_argument::is_built_in;
use crate::adapter::{Capabilities, InjectionContext, reach};
use crate::cli::{self, Format};
use crate::config::error::ConfigError;
use crate::config::load::{is_path, load};
use crate::config::target::TargetFile;
use crate::exit::Exit;
use crate::report::raw::{RawStyle, json, shard_text, text};
use crate::run::error::RunError;
use crate::run::inspect::{InspectError, inspect};
use dissent_core::checker::key_view::shard::{ShardCaptureView, in_shard};
use dissent_core::checker::key_view::with_model::{KeyView, NoSuchKey, RowView, at_captures};
use dissent_core::checker::key_view::without_model::without_model;
use dissent_core::history::run_record::RunRecord;
use dissent_core::history::schema::Schema;
use dissent_core::nearest::nearest_few;
use dissent_store::latest_run::resolve;
use dissent_store::run_reader::RunReader;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Keys suggested for an unknown key.
const NEAR_MAX: usize = 3;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// A built-in target exists only during its run.
    #[error("{0} exists only during a run: name a run folder, or `latest`, as in `dissent raw latest {1}`")]
    Private(String, String),
    /// No such key.
    #[error("no key `{key}`: {near}")]
    NoSuchKey {
        /// The key.
        key: String,
        /// The nearest keys.
        near: String,
    },
    /// No such capture.
    #[error("no capture {capture}: there are {known}")]
    NoCapture {
        /// The capture as given.
        capture: u32,
        /// The captures that there are.
        known: String,
    },
    /// The cluster has no table.
    #[error(
        "the cluster of {0} tells of no table: `dissent run {0} ..` creates one, and what a run has read \
             is shown for its folder or `latest`"
    )]
    NoTable(String),
    /// The target file is invalid.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// No such run, or it cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The live cluster cannot be read.
    #[error(transparent)]
    Look(#[from] InspectError),
    /// The JSON document could not be written, which is a bug in dissent.
    #[error("cannot write the view as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl RawError {
    fn exit(&self) -> Exit {
        match self {
            RawError::Private(..)
            | RawError::NoSuchKey { .. }
            | RawError::NoCapture { .. }
            | RawError::NoTable(_)
            | RawError::File(_) => Exit::Usage,
            RawError::Run(error) => error.exit(),
            RawError::Look(InspectError::Target(_)) => Exit::Target,
            RawError::Look(_) => Exit::Usage,
            RawError::Json(_) => Exit::Bug,
        }
    }
}

/// Shows a key. The exit code says whether anything is odd.
pub(super) fn raw(args: &cli::RawArgs) -> Exit {
    let shown =
        if is_path(&args.from) && args.from.ends_with(".toml") { outside(args) } else { recorded(args) };
    match shown {
        Ok(ShownKey { text, odd }) => {
            output::result(&text);
            if odd { Exit::Violation } else { Exit::Pass }
        }
        Err(error) => output::failure(&error, error.exit()),
    }
}

/// A key as text or JSON.
#[derive(Debug)]
pub struct ShownKey {
    /// What is printed.
    pub text: String,
    /// Whether anything in it is odd.
    pub odd: bool,
}

/// Which captures are shown, and how.
#[derive(Clone, Debug)]
pub struct RawChoice {
    /// Text or JSON.
    pub format: Format,
    /// Only this capture.
    pub capture: Option<u32>,
    /// The layout of the text.
    pub style: RawStyle,
}

impl RawChoice {
    fn of(args: &cli::RawArgs) -> RawChoice {
        let style = RawStyle { width: output::width(), all: args.all, columns: args.columns.clone() };
        RawChoice { format: args.output.format, capture: args.capture, style }
    }

    /// Picks the captures to show: the one asked for; else those with something odd that the capture before
    /// did not show alike; else the last one of each partition.
    fn chosen<T>(
        &self,
        views: Vec<T>,
        number: impl Fn(&T) -> u32,
        is_odd: impl Fn(&T) -> bool,
        is_alike: impl Fn(&T, &T) -> bool,
    ) -> Result<Vec<T>, RawError> {
        if let Some(capture) = self.capture {
            let known: Vec<String> = views.iter().map(|view| number(view).to_string()).collect();
            let chosen: Vec<T> = views.into_iter().filter(|view| number(view) == capture).collect();
            let known = known.join(", ");
            return if chosen.is_empty() { Err(RawError::NoCapture { capture, known }) } else { Ok(chosen) };
        }
        if self.style.all {
            return Ok(views);
        }
        let any_odd = views.iter().any(&is_odd);
        let last = views.iter().map(&number).max().unwrap_or_default();
        let mut chosen: Vec<T> = Vec::new();
        for view in views {
            let wanted = if any_odd { is_odd(&view) } else { number(&view) == last };
            if wanted && !chosen.last().is_some_and(|before| is_alike(before, &view)) {
                chosen.push(view);
            }
        }
        Ok(chosen)
    }
}

fn recorded(args: &cli::RawArgs) -> Result<ShownKey, RawError> {
    if is_built_in(&args.from) {
        return Err(RawError::Private(args.from.clone(), args.key.clone()));
    }
    let dir = resolve(&args.output.results, &args.from).map_err(RunError::from)?;
    let folder = RunReader::open(&dir).map_err(RunError::from)?;
    let shown = shown(&folder, &args.key, &BTreeSet::new(), None, &RawChoice::of(args))?;
    for damage in folder.damage() {
        output::status(&format!("damaged: {}: {}", damage.file, damage.detail));
    }
    Ok(shown)
}

/// Reads the cluster of a target file. Nothing is locked, marked or written.
fn outside(args: &cli::RawArgs) -> Result<ShownKey, RawError> {
    let file: TargetFile = load(&args.from)?;
    super::runtime::runtime()?.block_on(async {
        let cluster = reach(&file).await.map_err(InspectError::from)?;
        let schema = cluster.table().await.map_err(InspectError::from)?;
        let mut schema = schema.ok_or_else(|| RawError::NoTable(args.from.clone()))?;
        schema.rules = file.table_rules.clone().unwrap_or(schema.rules);
        let context =
            InjectionContext { program: PathBuf::new(), mark: String::new(), lease: Duration::ZERO };
        let target = cluster.open(&schema, context).map_err(InspectError::from)?;
        live(&target, &schema, &args.key, &RawChoice::of(args)).await
    })
}

/// The same view of a live cluster, from raw reads that bypass the router.
pub async fn live(
    target: &Capabilities,
    schema: &Schema,
    key: &str,
    choice: &RawChoice,
) -> Result<ShownKey, RawError> {
    let looked = inspect(target, schema, key).await?;
    for (replica, error) in &looked.unreachable {
        output::status(&format!("{replica} cannot be read, so it is shown as not loaded: {error}"));
    }
    shown(&looked.record, key, &looked.known, looked.unmodelled.as_deref(), choice)
}

fn shown(
    evidence: &dyn RunRecord,
    key: &str,
    known: &BTreeSet<String>,
    unsaid: Option<&[String]>,
    choice: &RawChoice,
) -> Result<ShownKey, RawError> {
    let no_such_key = |none: NoSuchKey| {
        let known = if known.is_empty() { &none.known } else { known };
        RawError::NoSuchKey { key: key.to_owned(), near: near(key, known) }
    };
    if !evidence.meta().has_segments() {
        let mut view = in_shard(evidence, key).map_err(no_such_key)?;
        let is_wrong = |it: &ShardCaptureView| it.wrong.is_some();
        view.captures = choice.chosen(view.captures, |it| it.capture, is_wrong, |_, _| false)?;
        let text = match choice.format {
            Format::Human => shard_text(&view, &choice.style),
            Format::Json => json(&view)?,
        };
        return Ok(ShownKey { text, odd: view.captures.iter().any(is_wrong) });
    }
    let views = match unsaid {
        Some(unsaid) => without_model(evidence, key, unsaid),
        None => at_captures(evidence, key),
    };
    let is_odd = |view: &KeyView| view.odd().0 > 0;
    let views = choice.chosen(views.map_err(no_such_key)?, |view| view.capture, is_odd, is_alike)?;
    let text = match choice.format {
        Format::Human => text(&views, &choice.style),
        Format::Json => json(&views)?,
    };
    Ok(ShownKey { text, odd: views.iter().any(is_odd) })
}

/// Whether a later view has the same odd rows.
fn is_alike(before: &KeyView, view: &KeyView) -> bool {
    let odd = |view: &KeyView| -> Vec<RowView> {
        view.rows.iter().filter(|row| view.is_odd(row)).cloned().collect()
    };
    before.partition == view.partition && odd(before) == odd(view)
}

fn near(key: &str, known: &BTreeSet<String>) -> String {
    match nearest_few(key, known.iter().map(String::as_str), NEAR_MAX).as_slice() {
        [] => "the log has no keys".to_owned(),
        near => format!("the nearest of {} keys are {}", known.len(), near.join(", ")),
    }
}
