//! What the folder of a run is called, and taking the first name that is free.

use super::run_spec::RunSpec;
use crate::config::table;
use dissent_core::seed::Seed;
use dissent_store::names::path_name;
use dissent_store::writer::StoreError;
use std::path::Path;

/// Makes the folder of a run under the first name that is free, also where another run takes one at the same
/// moment. Returns the name, too.
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

/// The name of a folder that does not exist yet: as wanted, or with a number if that is taken.
pub(super) fn fresh_name(results: &Path, wanted: &str) -> String {
    let is_free = |name: &String| results.join(name).symlink_metadata().is_err();
    let numbered = (2..).map(|n: u32| format!("{wanted}-{n}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(is_free).unwrap_or_else(|| wanted.to_owned())
}

/// What the folder of a run is called: what was run, and the seed. Of a table's options, which may be many,
/// it tells that there are some.
pub(super) fn name_of(spec: &RunSpec, seed: Seed) -> String {
    let words = [spec.target.name(), &spec.workload.name, &spec.nemesis.name];
    let (of_table, settings): (Vec<_>, Vec<_>) =
        spec.settings.iter().partition(|(key, _)| key.starts_with(table::PREFIX));
    let settings = settings.into_iter().map(|(_, value)| value.as_str());
    let settings = settings.chain((!of_table.is_empty()).then_some("table"));
    let words: Vec<String> = words.into_iter().chain(settings).map(path_name).collect();
    format!("{}-seed{}", words.join("-"), seed.0)
}
