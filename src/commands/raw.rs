//! `dissent raw`: what every replica holds for one key, side by side.

use super::output;
use super::target_argument::is_built_in;
use crate::adapter::{Capabilities, InjectionContext, reach};
use crate::cli::{self, Format};
use crate::config::error::{ConfigError, nearest_few};
use crate::config::load::{is_path, load};
use crate::config::target::TargetFile;
use crate::exit::Exit;
use crate::report::raw::{json, shard_text, text};
use crate::run::error::RunError;
use crate::run::inspect::{InspectError, inspect};
use dissent_core::checker::key_view::shard::in_shard;
use dissent_core::checker::key_view::with_model::{NoSuchKey, with_model};
use dissent_core::checker::key_view::without_model::without_model;
use dissent_core::history::run_record::RunRecord;
use dissent_core::history::schema::Schema;
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
    /// The cluster has no table.
    #[error("the cluster of {0} has no table yet: `dissent run {0} ..` creates one")]
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
            RawError::Private(..) | RawError::NoSuchKey { .. } | RawError::NoTable(_) | RawError::File(_) => {
                Exit::Usage
            }
            RawError::Run(error) => error.exit(),
            RawError::Look(InspectError::Target(_)) => Exit::Target,
            RawError::Look(_) => Exit::Usage,
            RawError::Json(_) => Exit::Bug,
        }
    }
}

/// Shows a key.
pub(super) fn raw(args: &cli::RawArgs) -> Exit {
    let told =
        if is_path(&args.from) && args.from.ends_with(".toml") { outside(args) } else { recorded(args) };
    match told {
        Ok(told) => {
            output::result(&told);
            Exit::Pass
        }
        Err(error) => output::failure(&error, error.exit()),
    }
}

fn recorded(args: &cli::RawArgs) -> Result<String, RawError> {
    if is_built_in(&args.from) {
        return Err(RawError::Private(args.from.clone(), args.key.clone()));
    }
    let dir = resolve(&args.output.results, &args.from).map_err(RunError::from)?;
    let folder = RunReader::open(&dir).map_err(RunError::from)?;
    let told = told(&folder, &args.key, &BTreeSet::new(), None, args.output.format)?;
    for damage in folder.damage() {
        output::status(&format!("damaged: {}: {}", damage.file, damage.detail));
    }
    Ok(told)
}

/// Reads the cluster of a target file. Nothing is locked, marked or written.
fn outside(args: &cli::RawArgs) -> Result<String, RawError> {
    let file: TargetFile = load(&args.from)?;
    super::run::runtime()?.block_on(async {
        let cluster = reach(&file).await.map_err(InspectError::from)?;
        let schema = cluster.table().await.map_err(InspectError::from)?;
        let mut schema = schema.ok_or_else(|| RawError::NoTable(args.from.clone()))?;
        schema.rules = file.table_rules.clone().unwrap_or(schema.rules);
        let context =
            InjectionContext { program: PathBuf::new(), mark: String::new(), lease: Duration::ZERO };
        let target = cluster.open(&schema, context).map_err(InspectError::from)?;
        live(&target, &schema, &args.key, args.output.format).await
    })
}

/// The same view of a live cluster, from raw reads that bypass the router.
pub async fn live(
    target: &Capabilities,
    schema: &Schema,
    key: &str,
    format: Format,
) -> Result<String, RawError> {
    let looked = inspect(target, schema, key).await?;
    for (replica, error) in &looked.unreachable {
        output::status(&format!("{replica} cannot be read, so it is shown as not loaded: {error}"));
    }
    told(&looked.record, key, &looked.known, looked.unmodelled.as_deref(), format)
}

fn told(
    evidence: &dyn RunRecord,
    key: &str,
    known: &BTreeSet<String>,
    unsaid: Option<&[String]>,
    format: Format,
) -> Result<String, RawError> {
    let no_such_key = |none: NoSuchKey| {
        let known = if known.is_empty() { &none.known } else { known };
        RawError::NoSuchKey { key: key.to_owned(), near: near(key, known) }
    };
    if !evidence.meta().has_segments() {
        let view = in_shard(evidence, key).map_err(no_such_key)?;
        return Ok(match format {
            Format::Human => shard_text(&view),
            Format::Json => json(&view)?,
        });
    }
    let views = match unsaid {
        Some(unsaid) => without_model(evidence, key, unsaid),
        None => with_model(evidence, key),
    };
    let views = views.map_err(no_such_key)?;
    Ok(match format {
        Format::Human => text(&views),
        Format::Json => json(&views)?,
    })
}

fn near(key: &str, known: &BTreeSet<String>) -> String {
    match nearest_few(key, known.iter().map(String::as_str), NEAR_MAX).as_slice() {
        [] => "the log has no keys".to_owned(),
        near => format!("the nearest of {} keys are {}", known.len(), near.join(", ")),
    }
}
