//! Brings in what nodes logged and dissent did not see: events as JSON lines, and the nodes' own log files.
//! `EVENTS.md` beside the vocabulary describes both.
//!
//! The lines of a file are in their node's program order. There is no order between two sources of one node,
//! so each node may come from one source only.

use crate::adapter;
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::run_record::RunMeta;
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// The ending of a node's log file.
const LOG: &str = "log";

/// Why events or logs could not be brought in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or a folder cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A line is no event.
    #[error("{}, line {line}: {problem}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The program cannot read logs of this system.
    #[error(
        "the logs of {target} cannot be read, only those of {}: bring events as JSON lines, with --events",
        adapter::systems_with_logs().join(", ")
    )]
    NoLogs {
        /// The target of the run.
        target: String,
    },
    /// A folder of logs has none of any node.
    #[error(
        "{} holds no log of a node of this run; a log is called after its node: {}",
        .dir.display(),
        .names.join(", ")
    )]
    NoNode {
        /// The folder.
        dir: PathBuf,
        /// The files that there could be.
        names: Vec<String>,
    },
    /// A node is in the events and in the logs.
    #[error("{0} is in the events and among the logs: there is no order between the two, so leave one out")]
    Twice(String),
}

/// Events that were brought in.
#[derive(Clone, Debug, Default)]
pub struct Imports {
    /// The events, in each node's program order.
    pub records: Vec<LifecycleRecord>,
    /// The log files that belong to no node of the run, and were left out.
    pub left_out: Vec<PathBuf>,
}

/// Reads a file of events and a folder of logs. `release` is that of the logs, if it is not the run's.
pub fn imports(
    meta: &RunMeta,
    events: Option<&Path>,
    logs: Option<&Path>,
    release: Option<&str>,
) -> Result<Imports, ImportError> {
    let mut imports = Imports::default();
    if let Some(path) = events {
        imports.records = read_events(path, &nodes(meta))?;
    }
    if let Some(dir) = logs {
        let told = imports.records.len();
        read_logs(meta, dir, release, &mut imports)?;
        let (told, logged) = imports.records.split_at(told);
        let named: BTreeSet<&String> = told.iter().map(|record| &record.replica).collect();
        if let Some(record) = logged.iter().find(|record| named.contains(&record.replica)) {
            return Err(ImportError::Twice(record.replica.clone()));
        }
    }
    Ok(imports)
}

/// The nodes whose events are read: replicas, objects with a frontier, and the authority.
fn nodes(meta: &RunMeta) -> Vec<&str> {
    let mut nodes: Vec<&str> = meta.roster.iter().map(String::as_str).collect();
    nodes.extend(meta.frontiers.iter().map(|frontier| frontier.object.as_str()));
    nodes.push(adapter::AUTHORITY);
    nodes.dedup();
    nodes
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ImportError + '_ {
    |source| ImportError::Unreadable { path: path.to_owned(), source }
}

/// An event as people write it.
#[derive(Deserialize)]
struct EventLine {
    #[serde(alias = "node")]
    replica: String,
    incarnation: Option<u64>,
    seq: Option<u64>,
    node_ms: u64,
    segment: Option<String>,
    kind: String,
    #[serde(default)]
    detail: Json,
}

fn read_events(path: &Path, nodes: &[&str]) -> Result<Vec<LifecycleRecord>, ImportError> {
    let file = File::open(path).map_err(unreadable(path))?;
    let (mut records, mut last) = (Vec::new(), BTreeMap::new());
    for (line, text) in (1..).zip(BufReader::new(file).lines()) {
        let text = text.map_err(unreadable(path))?;
        if text.trim().is_empty() {
            continue;
        }
        let failed = |problem| ImportError::Line { path: path.to_owned(), line, problem };
        let event: EventLine = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        if !nodes.contains(&event.replica.as_str()) {
            let known = nodes.join(", ");
            return Err(failed(format!("no node of the run is called {}: {known}", event.replica)));
        }
        records.push(numbered(event, &mut last).map_err(failed)?);
    }
    Ok(records)
}

/// Places an event in its node's program order: after the last one, unless it says where.
fn numbered(event: EventLine, last: &mut BTreeMap<String, (u64, u64)>) -> Result<LifecycleRecord, String> {
    let EventLine { replica, incarnation, seq, node_ms, segment, kind, detail } = event;
    let before = last.get(&replica).copied();
    let incarnation = incarnation.or(before.map(|(incarnation, _)| incarnation)).unwrap_or(0);
    let seq = seq.or(before.map(|(_, seq)| seq + 1)).unwrap_or(0);
    if let Some((of, before)) = before
        && of == incarnation
        && seq <= before
    {
        return Err(format!(
            "seq {seq} of {replica} does not follow {before}: lines of a node are in its program order"
        ));
    }
    last.insert(replica.clone(), (incarnation, seq));
    Ok(LifecycleRecord { replica, incarnation, seq, node_ms, segment, kind, detail })
}

fn read_logs(
    meta: &RunMeta,
    dir: &Path,
    release: Option<&str>,
    imports: &mut Imports,
) -> Result<(), ImportError> {
    let release = release.unwrap_or(&meta.target_version);
    let nodes = nodes(meta);
    let (mut found, entries) = (false, std::fs::read_dir(dir).map_err(unreadable(dir))?);
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(unreadable(dir))?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == LOG));
    paths.sort();
    for path in paths {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !nodes.contains(&name.as_str()) {
            imports.left_out.push(path);
            continue;
        }
        found = true;
        let mut failed = None;
        let file = BufReader::new(File::open(&path).map_err(unreadable(&path))?);
        let mut lines = file.split(b'\n').map_while(|line| line.map_err(|error| failed = Some(error)).ok());
        let (target, table) = (meta.target.as_str(), meta.schema.table.as_str());
        let records = adapter::log_records((target, release), table, &name, &mut lines)
            .ok_or_else(|| ImportError::NoLogs { target: target.to_owned() })?;
        imports.records.extend(records);
        failed.map_or(Ok(()), |source| Err(unreadable(&path)(source)))?;
    }
    let names = || nodes.iter().map(|node| format!("{node}.{LOG}")).collect();
    if found { Ok(()) } else { Err(ImportError::NoNode { dir: dir.to_owned(), names: names() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Result<Vec<LifecycleRecord>, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let told = |error: ImportError| error.to_string().replace(&file.path().display().to_string(), "FILE");
        read_events(file.path(), &["a", "b"]).map_err(told)
    }

    #[test]
    fn lines_are_in_program_order_and_need_no_numbers() {
        let text = r#"{"node":"a","node_ms":5,"kind":"boot"}
            {"replica":"b","node_ms":9,"kind":"boot","seq":40}

            {"node":"a","node_ms":6,"kind":"gate","incarnation":2,"segment":"s","detail":{"name":"x"}}
            {"node":"b","node_ms":7,"kind":"boot","ignored":1}"#;
        let records = events(text).expect("events");
        let places: Vec<_> = records.iter().map(|it| (it.replica.as_str(), it.incarnation, it.seq)).collect();
        assert_eq!(places, [("a", 0, 0), ("b", 0, 40), ("a", 2, 1), ("b", 0, 41)]);
        assert_eq!(records[2].detail["name"], "x");
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let good = r#"{"node":"a","node_ms":5,"kind":"boot","seq":3}"#;
        for (line, problem) in [
            (r#"{"node":"a","kind":"boot"}"#, "missing field `node_ms`"),
            (r#"{"node_ms":1,"kind":"boot"}"#, "missing field `replica`"),
            (r#"{"node":"a","node_ms":1}"#, "missing field `kind`"),
            (r#"{"node":"a","node_ms":"1","kind":"boot"}"#, "expected u64"),
            ("boot", "expected value"),
            (r#"{"node":"c","node_ms":1,"kind":"boot"}"#, "no node of the run is called c: a, b"),
            (r#"{"node":"a","node_ms":5,"kind":"boot","seq":3}"#, "seq 3 of a does not follow 3"),
        ] {
            let error = events(&format!("{good}\n{line}")).expect_err("refused");
            assert!(error.starts_with("FILE, line 2: ") && error.contains(problem), "{error}");
        }
    }
}
