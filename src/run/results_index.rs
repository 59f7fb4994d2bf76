//! What lies in a results folder: runs, audits, comparisons and sweeps, the newest one first.

use super::judging::VERDICT;
use super::sweep::folder::{CAMPAIGN, campaign_in};
use crate::report::html::index::{IndexEntry, IndexKind, index};
use dissent_store::latest_run::LATEST;
use dissent_store::writing::{StoreError, failed, replace_file};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// The name of the page.
pub const INDEX: &str = "index.html";
/// The folders that the page shows.
const SHOWN_MAX: usize = 1_000;

/// Writes `index.html` into a results folder.
pub fn write_index(results: &Path) -> Result<(), StoreError> {
    replace_file(&results.join(INDEX), page(results)?.as_bytes())
}

/// The page on a results folder.
pub fn page(results: &Path) -> Result<String, StoreError> {
    let mut folders: Vec<(SystemTime, String)> = Vec::new();
    for folder in fs::read_dir(results).map_err(failed("use", results))? {
        let folder = folder.map_err(failed("use", results))?;
        let is_folder = folder.file_type().is_ok_and(|kind| kind.is_dir());
        if let (true, Ok(name)) =
            (is_folder && folder.file_name() != LATEST, folder.file_name().into_string())
        {
            folders.push((ended(&folder.path()), name));
        }
    }
    folders.sort_by(|a, b| b.cmp(a));
    let all = folders.len();
    folders.truncate(SHOWN_MAX);
    let entries: Vec<IndexEntry> =
        folders.into_iter().filter_map(|(ended, name)| entry(results, name, ended)).collect();
    Ok(index(&entries, all.saturating_sub(SHOWN_MAX)))
}

/// When the reports of a folder were written.
fn ended(folder: &Path) -> SystemTime {
    let written = |name: &str| fs::metadata(folder.join(name)).and_then(|file| file.modified()).ok();
    written(CAMPAIGN).or(written(VERDICT)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A folder with a verdict, or the campaign of a sweep. One that cannot be read is left out.
fn entry(results: &Path, name: String, ended: SystemTime) -> Option<IndexEntry> {
    let dir = results.join(&name);
    let at = jiff::Timestamp::try_from(ended).map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let ended = at.unwrap_or_default();
    if dir.join(CAMPAIGN).exists() {
        let campaign = campaign_in(&dir)?;
        let kind = IndexKind::Sweep(Box::new(campaign));
        return Some(IndexEntry { name, ended, kind });
    }
    let verdict: Value = serde_json::from_slice(&fs::read(dir.join(VERDICT)).ok()?).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let first = &verdict["runs"][0];
    let runs = verdict["runs"].as_array().map_or(0, Vec::len);
    let outcomes = verdict["runs"].as_array()?.iter().map(|run| text(&run["outcome"]));
    let worst =
        outcomes.max_by_key(|outcome| ["PASS", "INCONCLUSIVE", "FAIL"].iter().position(|it| it == outcome));
    let headline = match runs {
        1 => text(&first["headline"]),
        runs => format!("{runs} runs"),
    };
    let has_page = dir.join("report.html").exists();
    Some(IndexEntry { name, ended, kind: IndexKind::Run { outcome: worst?, headline, has_page } })
}
