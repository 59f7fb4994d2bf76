//! The list of supported systems, and which of them a target file or a cure is for.

use super::capabilities::{Cluster, Defaults, Refusal};
use super::containment::{Affected, Containment};
use super::contents::Contents;
use super::diagnosis::Diagnosis;
use super::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use super::etcd::Etcd;
use super::exec::Exec;
use super::leased_injector::ended_early_or_unknown;
#[cfg(feature = "pinot")]
use super::pinot::Pinot;
#[cfg(feature = "postgres")]
use super::postgres::Postgres;
use super::specimen::SpecimenKind;
use super::state::system::StateAdapter;
use super::system::System;
use crate::config::error::{ConfigError, InvalidValue};
use crate::config::load::load_with;
use crate::config::target::TargetFile;
use crate::target_error::{Holder, TargetError};
use dissent_core::history::fault::FaultKind;
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::nearest::advise;
use dissent_store::cure::Cure;
use std::sync::Arc;

/// The supported systems, one a line.
pub static SYSTEMS: &[&dyn System] = &[
    &SpecimenKind::Segments,
    &SpecimenKind::Shard,
    #[cfg(feature = "pinot")]
    &Pinot,
    &StateAdapter(&Etcd),
    #[cfg(feature = "postgres")]
    &StateAdapter(&Postgres),
    &StateAdapter(&Exec),
];

/// The system of this name.
pub fn system(name: &str) -> Option<&'static dyn System> {
    SYSTEMS.iter().copied().find(|system| system.name() == name)
}

fn required(name: &str) -> Result<&'static dyn System, TargetError> {
    system(name).ok_or_else(|| TargetError::NotReady(format!("no system is called `{name}`")))
}

/// Refuses the name of an unknown system. The error is that of the key `system` of a target file.
pub fn check_name(name: &str) -> Result<&'static dyn System, InvalidValue> {
    system(name).ok_or_else(|| {
        let known: Vec<&str> = SYSTEMS.iter().map(|system| system.name()).collect();
        InvalidValue {
            at: "system".to_owned(),
            problem: format!("no system is called `{name}`"),
            help: advise(name, &known),
        }
    })
}

/// Loads a target file and checks it, also by the rules of its system.
pub fn load_target(path: &str) -> Result<TargetFile, ConfigError> {
    load_with(path, |file: &TargetFile| check_name(&file.system)?.check(file))
}

/// Whether the cluster of a target file supports a kind of fault, as far as known without asking the
/// cluster.
pub fn can(file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
    let unknown = |_| Refusal {
        target: file.system.clone(),
        fault: kind,
        reason: "there is no such system".to_owned(),
    };
    required(&file.system).map_err(unknown)?.can(file, kind)
}

/// Refuses a run with these faults unless the target file allows and contains what the run needs. `path` is
/// the file as given.
pub fn check_run(
    file: &TargetFile,
    path: &str,
    faults: impl Iterator<Item = FaultKind>,
) -> Result<(), ConfigError> {
    let system = system(&file.system);
    let needs = |kind| system.map(|system| system.needs(kind)).unwrap_or_default();
    file.check_allowed(path, faults.flat_map(needs))?;
    match system.and_then(|system| system.missing_line(file)) {
        None => Ok(()),
        Some(missing) => {
            let (path, line) = (path.to_owned(), missing.line);
            Err(ConfigError::MissingLine { path, what: missing.what, line })
        }
    }
}

/// Whether the cluster of a target file keeps no log that can be read back.
pub fn has_no_log(file: &TargetFile) -> bool {
    system(&file.system).is_some_and(System::has_no_log)
}

/// The defaults for a run on the cluster of a target file.
pub fn defaults(file: &TargetFile) -> Defaults {
    system(&file.system).map_or(Defaults::SHARED, System::defaults)
}

/// How to contain a wrong copy on the system of a run's target, with that system's own commands. Nothing
/// for one that dissent does not know.
pub fn containment(name: &str, affected: &Affected<'_>) -> Containment {
    system(name).map(|system| system.containment(affected)).unwrap_or_default()
}

/// The state of the cluster of a target file, as far as it answers.
pub async fn diagnose(file: &TargetFile) -> Diagnosis {
    match system(&file.system) {
        Some(system) => system.diagnose(file).await,
        None => Diagnosis {
            system: file.system.clone(),
            unknown: vec![format!("no system is called `{}`", file.system)],
            ..Diagnosis::default()
        },
    }
}

/// Refuses a run that cannot begin there. `dissent doctor` reports the same obstacles.
pub async fn refuse_obstacles(file: &TargetFile, path: &str) -> Result<(), TargetError> {
    match diagnose(file).await.obstacles(path).as_slice() {
        [] => Ok(()),
        some => Err(TargetError::NotReady(some.join("; "))),
    }
}

/// Discovers the cluster at an address for a target file.
pub async fn discover(wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
    required(&wanted.system)?.discover(wanted).await
}

/// The systems whose logs can be read.
pub fn systems_with_logs() -> Vec<&'static str> {
    let readable = SYSTEMS.iter().filter(|system| system.log_reader().is_some());
    readable.map(|system| system.name()).collect()
}

/// The events that the log of one node of a table tells, in its program order. `of` are system and release.
/// None if the logs of this system cannot be read.
pub fn log_records(
    of: (&str, &str),
    table: &str,
    node: &str,
    lines: &mut dyn Iterator<Item = Vec<u8>>,
) -> Option<Vec<LifecycleRecord>> {
    let read = system(of.0)?.log_reader()?;
    Some(read(of.1, table, node, lines))
}

/// Reaches the cluster of a target file. Fails if it does not answer.
pub async fn reach(file: &TargetFile) -> Result<Arc<dyn Cluster>, TargetError> {
    required(&file.system)?.reach(file).await
}

/// Reaches a table of the cluster of a target file, to read it.
pub async fn reach_contents(file: &TargetFile, table: &str) -> Result<Arc<dyn Contents>, TargetError> {
    required(&file.system)?.contents(file, table).await
}

/// The marks that runs have left at the cluster of a target file.
pub async fn marks(file: &TargetFile) -> Result<Vec<Cure>, TargetError> {
    required(&file.system)?.marks(file).await
}

/// The system that recognises a cure.
fn of_cure(cure: &Cure) -> Result<&'static dyn System, TargetError> {
    SYSTEMS.iter().copied().find(|system| system.is_of(cure)).ok_or_else(|| TargetError::InvalidResponse {
        at: format!("the cure of step {}", cure.step),
        cause: format!("no supported system undoes it: {}", cure.undo["system"]),
    })
}

/// Marks a fault at its target and begins it, given only its cure. Returns once the fault is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    of_cure(cure)?.begin(cure).await
}

/// The evidence that a fault has already ended: another process has undone it, or its object no longer
/// exists. None if it is still in force.
pub async fn ended_early(cure: &Cure) -> Result<Option<String>, TargetError> {
    of_cure(cure)?.ended_early(cure).await
}

/// Undoes a fault, given only its cure, verifies that, and removes its mark. Healing twice is harmless.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    of_cure(cure)?.heal(cure).await
}

/// The run that holds the lock of a fault's target, given only the fault's cure.
pub async fn holder(cure: &Cure) -> Result<Option<Holder>, TargetError> {
    of_cure(cure)?.holder(cure).await
}

/// Like [`ended_early`], within a time limit. Errors and timeouts count as evidence too, because the fault
/// is not known to be in force.
pub async fn ended_early_within(cure: &Cure) -> Option<String> {
    ended_early_or_unknown(ended_early(cure)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target file with one line of its text replaced: the marked place, the problem and the help.
    fn refusal(old: &str, new: &str) -> (String, String) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mine.toml");
        let text = "system = \"specimen-segments\"\nurl = \"http://127.0.0.1:1\"\n".replace(old, new);
        std::fs::write(&path, text).expect("it is written");
        let error = load_target(&path.to_string_lossy()).expect_err(new);
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        (error.to_string(), help.unwrap_or_default())
    }

    #[test]
    fn a_target_file_is_refused_by_the_rules_of_its_system_at_the_place() {
        for (old, new, problem, help) in [
            ("-segments", "", "mine.toml:1:10: no system is called `specimen`", "specimen-segments"),
            ("http:", "https:", "mine.toml:2:7: built-in clusters support only plain HTTP", "http://"),
            ("http:", "postgres:", "mine.toml:2:7: `postgres://127.0.0.1:1` is not an HTTP URL", "such as"),
            ("http://127", "http://me:pw@127", "mine.toml:2:7: a target file must not contain", "[credent"),
        ] {
            let refused = refusal(old, new);
            assert!(refused.0.contains(problem) && refused.1.contains(help), "{refused:?}");
        }
    }

    #[test]
    fn the_manual_of_audits_has_what_each_system_needs() {
        let manual = include_str!("../run/audit/README.md");
        for system in SYSTEMS {
            let name = format!("`{}`", system.name());
            let rows = manual.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
            let mut needs = rows.filter(|(systems, _)| systems.split(", ").any(|one| one == name));
            let wanted = format!("{} |", system.audit_needs().join("; "));
            assert_eq!(needs.next().map(|(_, needs)| needs), Some(&*wanted), "{name}");
        }
    }

    #[test]
    fn every_system_has_a_name_of_its_own() {
        let mut names: Vec<&str> = SYSTEMS.iter().map(|system| system.name()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
