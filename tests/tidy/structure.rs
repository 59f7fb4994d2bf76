//! How files and folders may depend on each other, and that a type's name means one thing.

use super::imports::{CRATES, circles, imports};
use super::{files, is_rust};
use std::collections::BTreeMap;

/// Folders and files of a crate, or of a folder, from the ground up: each may name those before it.
const LAYERS: [(&str, &[&str]); 3] = [
    ("src/core/", &["seed", "history", "generator", "conductor", "checker", "campaign", "shrink"]),
    (
        "src/core/checker/",
        &[
            "verdict",
            "oracle",
            "parallel",
            "tables",
            "validity",
            "safety",
            "liveness",
            "explanation",
            "findings",
            "owed",
            "verdict_builder",
            "known_issues",
            "key_view",
            "judge",
            "self_test",
        ],
    ),
    (
        "src/",
        &[
            "exit",
            "target_error",
            "config",
            "faults",
            "adapter",
            "report",
            "run",
            "synth",
            "cli",
            "commands",
            "main",
        ],
    ),
];

/// Names that two types of one crate may share: the two embedded clusters have the same parts.
const SHARED: [&str; 7] = ["Ask", "Batch", "Call", "Config", "Due", "Reply", "World"];

/// The place of a file among the layers of a folder; none of a file beside them.
fn layer(root: &str, layers: &[&str], path: &str) -> Option<usize> {
    let name = path.strip_prefix(root)?.split('/').next()?.trim_end_matches(".rs");
    layers.iter().position(|layer| *layer == name)
}

/// The imports that point upwards, one a line.
fn upward(files: &[(String, String)]) -> String {
    let mut found = String::new();
    for (from, names) in imports(files) {
        for to in names {
            let is_up = |(root, layers): &(&str, &[&str])| {
                let (from, to) = (layer(root, layers, from), layer(root, layers, to));
                from.zip(to).is_some_and(|(from, to)| from < to)
            };
            if LAYERS.iter().any(is_up) {
                found += &format!("{from} names {to}\n");
            }
        }
    }
    found
}

/// The names of top-level types that stand for several in one crate, one a line.
fn doubled(files: &[(String, String)]) -> String {
    let mut places: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| path.starts_with("src/")) {
        let root = CRATES.into_iter().find(|root| path.starts_with(root)).unwrap_or_default();
        let names = text.lines().filter_map(type_name).filter(|name| !SHARED.contains(name));
        names.for_each(|name| places.entry((root, name)).or_default().push(path));
    }
    let several = places.iter().filter(|(_, paths)| paths.len() > 1);
    several.map(|((_, name), paths)| format!("{name}: {}\n", paths.join(", "))).collect()
}

/// The name of the type that a line defines at the top level.
fn type_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").map_or(line, |rest| match rest.split_once(") ") {
        Some((visible, rest)) if visible.starts_with('(') => rest,
        _ => rest.trim_start(),
    });
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|word| line.strip_prefix(word))?;
    rest.split(|letter: char| !letter.is_alphanumeric()).next()
}

#[test]
fn no_file_names_one_above_it() {
    let found = files(is_rust);
    let upward = upward(&found);
    assert!(upward.is_empty(), "move what both need further down\n{upward}");
    let is_layered = |path: &str| LAYERS.iter().any(|(root, layers)| layer(root, layers, path).is_some());
    let in_layers = found.iter().filter(|(path, _)| is_layered(path)).count();
    assert!(in_layers > 100, "the table of layers knows hardly any file: {in_layers}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let found = files(is_rust);
    let imports = imports(&found);
    assert!(imports.values().flatten().count() > 300, "hardly any import was seen");
    let circles = circles(&imports);
    assert!(circles.is_empty(), "move what both need to a file below them: {circles:#?}");
}

#[test]
fn no_type_name_means_two_things_in_a_crate() {
    let doubled = doubled(&files(is_rust));
    assert!(doubled.is_empty(), "give one of them the name that says what it is\n{doubled}");
}

#[test]
fn what_breaks_the_structure_is_seen() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let verdict = file("src/core/checker/verdict/mod.rs", "//! V.\npub struct Verdict;\n");
    let history = |text: &str| [file("src/core/history/a.rs", text), verdict.clone()];
    assert_eq!(
        upward(&history("//! A.\nuse crate::checker::verdict::Verdict;\n")),
        "src/core/history/a.rs names src/core/checker/verdict/mod.rs\n"
    );
    assert_eq!(upward(&history("//! A.\n// crate::checker::verdict\n")), "");
    let tables = file("src/core/checker/tables/a.rs", "//! A.\npub(crate) struct Verdict {\n");
    assert_eq!(
        doubled(&[verdict.clone(), tables]),
        "Verdict: src/core/checker/verdict/mod.rs, src/core/checker/tables/a.rs\n"
    );
    assert_eq!(doubled(&[verdict, file("src/store/a.rs", "//! A.\nenum Verdict {\n")]), "");
}
