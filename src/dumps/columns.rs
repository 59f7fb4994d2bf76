//! Which columns are compared, and whether those that options name are there: a misspelt one would do
//! nothing, unseen.

use crate::cells::Typing;
use crate::digests::Digests;
use crate::error::{DumpError, no_column};
use crate::layout::Layout;
use crate::spec::CompareSpec;
use dissent_core::history::schema::Type;
use dissent_core::history::stored_name::stored_name;

/// Why a column cannot be used that must be compared.
const NOT_COMPARED: &str = "no such column is compared";

/// The columns compared: all that any dump has, but for those of the key and those ignored.
pub(super) fn compared_columns(spec: &CompareSpec, found: &[Digests]) -> Result<Vec<String>, DumpError> {
    let mut names: Vec<String> = Vec::new();
    for name in found.iter().flat_map(|digests| digests.layout.names()) {
        if !names.contains(name) && !spec.columns.key.contains(name) && !spec.columns.ignore.contains(name) {
            names.push(name.clone());
        }
    }
    let expired = spec.expired_below.iter().map(|(name, _)| ("expired-below", name));
    // A log may be the only one that tells of deletes.
    let deleted = spec.deleted.iter().filter(|_| spec.log.is_none()).map(|name| ("deleted", name));
    let named = spec.version.iter().map(|name| ("version", name)).chain(deleted).chain(expired);
    let merges = spec.merges.keys().map(|name| ("merge", name));
    let unknown = named.chain(merges).find(|(_, name)| !names.contains(name));
    if let Some((option, name)) = unknown.filter(|_| has_columns(found)) {
        return Err(DumpError::Usage(no_column(option, name, NOT_COMPARED, &names)));
    }
    // A row without a column has null there; a file without it says nothing of it.
    for (source, digests) in spec.dumps.iter().chain(&spec.later).zip(found) {
        let lacks = names.iter().find(|name| digests.layout.find(name).is_none());
        if let Some(lacks) = lacks.filter(|_| digests.rows > 0) {
            return Err(DumpError::Usage(format!(
                "{} has no column {lacks}, which another dump has: leave it out with --ignore {lacks}",
                source.given
            )));
        }
    }
    Ok(names)
}

/// The other options name columns of any dump, or of the log.
pub(super) fn check_names(
    spec: &CompareSpec,
    found: &[Digests],
    log: Option<&Layout>,
) -> Result<(), DumpError> {
    if !has_columns(found) {
        return Ok(());
    }
    let mut names: Vec<String> = Vec::new();
    for name in found.iter().map(|digests| &digests.layout).chain(log).flat_map(Layout::names) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let ignored = spec.columns.ignore.iter().map(|name| ("ignore", name));
    let typed = spec.columns.types.keys().map(|name| ("type", name));
    let deleted = spec.deleted.iter().map(|name| ("deleted", name));
    match ignored.chain(typed).chain(deleted).find(|(_, name)| !names.contains(name)) {
        Some((option, name)) => {
            Err(DumpError::Usage(no_column(option, name, "there is no such column", &names)))
        }
        None => Ok(()),
    }
}

/// Whether any dump names its columns. JSON without a row does not.
fn has_columns(found: &[Digests]) -> bool {
    found.iter().any(|digests| !digests.layout.names().is_empty())
}

/// A merge function needs values of its own kind, which text is not.
pub(super) fn check_merges(spec: &CompareSpec, typing: Typing) -> Result<(), DumpError> {
    for (name, merge) in &spec.merges {
        let takes_text = merge.types().contains(&Type::String);
        if !takes_text && typing == Typing::Text && !spec.columns.types.contains_key(name) {
            let merge = stored_name(merge);
            let problem = format!(
                "--merge {name}={merge} needs numbers or lists, and CSV has only text: add --type {name}=TYPE"
            );
            return Err(DumpError::Usage(problem));
        }
    }
    Ok(())
}

/// The columns of the log that are read: those compared, and after them those that only order events, or
/// mark deletes.
pub(super) fn log_columns(spec: &CompareSpec, compared: &[String]) -> Vec<String> {
    let mut names = compared.to_vec();
    for name in spec.version.iter().chain(&spec.deleted) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
