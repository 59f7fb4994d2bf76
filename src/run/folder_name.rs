//! The names of run folders, and claiming the first free one.

use super::run_spec::RunSpec;
use crate::config::table;
use dissent_core::seed::Seed;
use dissent_store::names::path_name;
use dissent_store::writing::StoreError;
use std::path::Path;

/// Creates a run folder under the first free name, also when another run claims a name at the same moment.
/// Returns the name too.
pub(super) fn in_fresh_folder<T>(
    results: &Path,
    wanted: &str,
    mut make: impl FnMut(&Path) -> Result<T, StoreError>,
) -> Result<(String, T), StoreError> {
    loop {
        let name = fresh_name(results, wanted);
        match make(&results.join(&name)) {
            Err(StoreError::Exists { .. }) => {}
            made => return Ok((name, made?)),
        }
    }
}

/// A name that is not used yet: `wanted`, or with a number appended.
pub(super) fn fresh_name(results: &Path, wanted: &str) -> String {
    let is_free = |name: &String| results.join(name).symlink_metadata().is_err();
    let numbered = (2..).map(|n: u32| format!("{wanted}-{n}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(is_free).unwrap_or_else(|| wanted.to_owned())
}

/// The name of a run's folder: the specification and the seed. A table can have many options, so the name
/// only says that there are some.
pub fn name_of(spec: &RunSpec, seed: Seed) -> String {
    let words = [spec.target.name(), &spec.workload.name, &spec.nemesis.name];
    let (of_table, settings): (Vec<_>, Vec<_>) =
        spec.settings.iter().partition(|(key, _)| key.starts_with(table::PREFIX));
    let settings = settings.into_iter().map(|(_, value)| value.as_str());
    let settings = settings.chain((!of_table.is_empty()).then_some("table"));
    let words: Vec<String> = words.into_iter().chain(settings).map(path_name).collect();
    format!("{}-seed{}", words.join("-"), seed.0)
}
