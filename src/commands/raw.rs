//! `dissent raw`: what every replica holds for one key, side by side.

use super::outside::is_built_in;
use super::tell;
use crate::adapter::{InjectionContext, Target, reach};
use crate::cli::{self, Format};
use crate::config::catalogue::{is_path, load};
use crate::config::error::{ConfigError, nearest_few};
use crate::config::target::TargetFile;
use crate::exit::Exit;
use crate::report::raw::{json, shard_text, text};
use crate::run::look::{LookError, look};
use crate::run::one::RunError;
use dissent_core::checker::as_shown::as_shown;
use dissent_core::checker::in_shard::in_shard;
use dissent_core::checker::side_by_side::{NoSuchKey, side_by_side};
use dissent_core::history::evidence::RunRecord;
use dissent_core::history::schema::Schema;
use dissent_store::folder::Folder;
use dissent_store::latest::resolve;
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
    Look(#[from] LookError),
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
            RawError::Look(LookError::Target(_)) => Exit::Target,
            RawError::Look(_) => Exit::Usage,
            RawError::Json(_) => Exit::Bug,
        }
    }
}

/// Shows a key.
pub(super) fn raw(args: &cli::Raw) -> Exit {
    let told =
        if is_path(&args.from) && args.from.ends_with(".toml") { outside(args) } else { recorded(args) };
    match told {
        Ok(told) => {
            tell::result(&told);
            Exit::Pass
        }
        Err(error) => tell::failure(&error, error.exit()),
    }
}

fn recorded(args: &cli::Raw) -> Result<String, RawError> {
    if is_built_in(&args.from) {
        return Err(RawError::Private(args.from.clone(), args.key.clone()));
    }
    let dir = resolve(&args.output.results, &args.from).map_err(RunError::from)?;
    let folder = Folder::open(&dir).map_err(RunError::from)?;
    let told = told(&folder, &args.key, &BTreeSet::new(), None, args.output.format)?;
    for damage in folder.damage() {
        tell::aside(&format!("damaged: {}: {}", damage.file, damage.detail));
    }
    Ok(told)
}

/// Reads the cluster of a target file. Nothing is locked, marked or written.
fn outside(args: &cli::Raw) -> Result<String, RawError> {
    let file: TargetFile = load(&args.from)?;
    super::run::runtime()?.block_on(async {
        let site = reach(&file).await.map_err(LookError::from)?;
        let schema = site.table().await.map_err(LookError::from)?;
        let mut schema = schema.ok_or_else(|| RawError::NoTable(args.from.clone()))?;
        schema.rules = file.table_rules.clone().unwrap_or(schema.rules);
        let context =
            InjectionContext { program: PathBuf::new(), mark: String::new(), lease: Duration::ZERO };
        let target = site.open(&schema, context).map_err(LookError::from)?;
        live(&target, &schema, &args.key, args.output.format).await
    })
}

/// The same view of a live cluster, from raw reads that bypass the router.
pub async fn live(target: &Target, schema: &Schema, key: &str, format: Format) -> Result<String, RawError> {
    let looked = look(target, schema, key).await?;
    for (replica, error) in &looked.silent {
        tell::aside(&format!("{replica} cannot be read, so it is shown as not loaded: {error}"));
    }
    told(&looked.evidence, key, &looked.known, looked.unsaid.as_deref(), format)
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
    if !evidence.facts().has_segments() {
        let view = in_shard(evidence, key).map_err(no_such_key)?;
        return Ok(match format {
            Format::Human => shard_text(&view),
            Format::Json => json(&view)?,
        });
    }
    let views = match unsaid {
        Some(unsaid) => as_shown(evidence, key, unsaid),
        None => side_by_side(evidence, key),
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
