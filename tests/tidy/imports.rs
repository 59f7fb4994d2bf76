//! Which file imports which, within a crate: read from the text, by the rules of paths.

use std::collections::{BTreeMap, BTreeSet};

/// The crates, the inner ones first: a file belongs to the first whose folder it lies in.
pub(super) const CRATES: [&str; 4] = ["src/core/", "src/store/", "src/specimen/", "src/"];

/// By file: the files of its own crate whose items it names. What stands in a file's tests does not count,
/// nor where a name is visible.
pub(super) fn imports(files: &[(String, String)]) -> BTreeMap<&str, BTreeSet<&str>> {
    let modules: BTreeMap<(&str, Vec<&str>), &str> =
        files.iter().filter_map(|(path, _)| Some((module(path)?, path.as_str()))).collect();
    let of = |(path, text): &'_ (String, String)| {
        let (root, own) = module(path)?;
        let named = paths(text).into_iter().filter_map(|written| {
            let mut full = absolute(&own, &written)?;
            while !modules.contains_key(&(root, full.iter().map(String::as_str).collect())) {
                full.pop()?;
            }
            modules.get(&(root, full.iter().map(String::as_str).collect())).copied()
        });
        Some(named.filter(|other| other != path).collect::<BTreeSet<&str>>())
    };
    files.iter().filter_map(|file| Some((file.0.as_str(), of(file)?))).collect()
}

/// The folder of the crate that a file belongs to, and the path of its module there.
fn module(path: &str) -> Option<(&'static str, Vec<&str>)> {
    let root = CRATES.into_iter().find(|root| path.starts_with(root))?;
    let parts: Vec<&str> = path[root.len()..].strip_suffix(".rs")?.split('/').collect();
    let is_test = parts.iter().any(|part| ["tests", "test_data"].contains(part));
    let module = match parts.as_slice() {
        ["lib" | "main"] => &[][..],
        [above @ .., "mod"] => above,
        all => all,
    };
    (!is_test).then(|| (root, module.to_vec()))
}

/// A path as it is written in a module, from the crate's root; none if it leads out of the crate.
fn absolute(own: &[&str], written: &[String]) -> Option<Vec<String>> {
    let ups = written.iter().take_while(|part| *part == "super").count();
    let (above, rest) = match written.first()?.as_str() {
        "crate" => (&own[..0], &written[1..]),
        "super" => (&own[..own.len().checked_sub(ups)?], &written[ups..]),
        "self" => (own, &written[1..]),
        _ => (own, written),
    };
    Some(above.iter().map(|part| (*part).to_owned()).chain(rest.iter().cloned()).collect())
}

/// The paths that a text names: in its imports, and written out in its code from `crate` or from a module
/// that is declared here.
fn paths(text: &str) -> Vec<Vec<String>> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, "\n"]).collect();
    let code = code.replace("pub(in crate::", "pub(");
    let declared = |line: &str| Some(line.trim_end_matches(';').rsplit_once("mod ")?.1.to_owned());
    let children: BTreeSet<String> =
        code.lines().filter(|line| line.ends_with(';')).filter_map(declared).collect();
    let mut found = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        match statement.rsplit_once("\nuse ").or_else(|| statement.rsplit_once("\npub use ")) {
            Some((before, import)) => {
                rest += before;
                found.extend(expanded(import.trim_end_matches(';')));
            }
            None => rest += statement,
        }
    }
    let words = rest.split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)));
    let written = words.filter(|word| word.contains("::")).map(split);
    found.extend(written.filter(|path| path[0] == "crate" || children.contains(&path[0])));
    found
}

fn split(path: &str) -> Vec<String> {
    path.split("::").map(|part| part.trim().to_owned()).collect()
}

/// The paths of an import, one for each leaf of its tree.
fn expanded(tree: &str) -> Vec<Vec<String>> {
    let Some((stem, leaves)) = tree.split_once('{') else {
        return vec![split(tree.split(" as ").next().unwrap_or_default())];
    };
    let leaves = leaves.rsplit_once('}').map_or(leaves, |(inside, _)| inside);
    let stem: Vec<String> = split(stem.trim().trim_end_matches("::"));
    let mut depth = 0;
    let parts = leaves.split(|letter: char| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(expanded).map(|leaf| stem.iter().cloned().chain(leaf).collect()).collect()
}

/// What is left of the imports once every file that imports none of the others, or is imported by none, is
/// taken away again and again: the circles, and what lies between two of them.
pub(super) fn circles<'f>(
    imports: &BTreeMap<&'f str, BTreeSet<&'f str>>,
) -> BTreeMap<&'f str, BTreeSet<&'f str>> {
    let mut left = imports.clone();
    loop {
        let imported: BTreeSet<&str> = left.values().flatten().copied().collect();
        let known: BTreeSet<&str> = left.keys().copied().collect();
        let before: usize = left.values().map(|names| names.len() + 1).sum();
        left.values_mut().for_each(|names| names.retain(|name| known.contains(name)));
        left.retain(|file, names| !names.is_empty() && imported.contains(file));
        if left.values().map(|names| names.len() + 1).sum::<usize>() == before {
            return left;
        }
    }
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files = [
        file("src/core/a/mod.rs", "//! A.\nmod b;\nuse crate::c::{self, d::D};\nfn f() { b::g() }\n"),
        file("src/core/a/b.rs", "//! B.\n\nuse super::e::{\n    E,\n};\n// crate::c::C\n"),
        file(
            "src/core/a/e.rs",
            "//! E.\npub(in crate::c) fn e() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}\n",
        ),
        file("src/core/c/mod.rs", "//! C.\nfn f() { crate::a::b::g() }\n"),
        file("src/core/c/d.rs", "//! D.\n"),
    ];
    let imports = imports(&files);
    let of = |path: &str| imports[path].iter().copied().collect::<Vec<_>>();
    assert_eq!(of("src/core/a/mod.rs"), ["src/core/a/b.rs", "src/core/c/d.rs", "src/core/c/mod.rs"]);
    assert_eq!(of("src/core/a/b.rs"), ["src/core/a/e.rs"]);
    assert_eq!(of("src/core/a/e.rs"), [""; 0]);
    assert_eq!(of("src/core/c/mod.rs"), ["src/core/a/b.rs"]);
    assert!(circles(&imports).is_empty());
    let mut imports = imports;
    imports.insert("src/core/a/e.rs", BTreeSet::from(["src/core/c/mod.rs"]));
    let circle: Vec<&str> = circles(&imports).into_keys().collect();
    assert_eq!(circle, ["src/core/a/b.rs", "src/core/a/e.rs", "src/core/c/mod.rs"]);
}
