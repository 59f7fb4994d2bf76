//! The state of a cluster as `dissent doctor` reports it. Finding it out changes nothing.

use super::capabilities::{Leftover, Refusal};
use crate::target_error::Holder;
use crate::target_error::TargetError;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::schema::Merge;
use dissent_store::cure::Cure;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::time::Instant;

/// A process that was asked.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    /// Its role or name.
    pub who: String,
    /// Its address.
    pub at: String,
    /// How long the answer took, in milliseconds.
    pub ms: u64,
    /// Why there was no answer. None if there was one.
    pub problem: Option<String>,
    /// Whether a run needs it.
    pub needed: bool,
    /// The status that it reports. None if it reports none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// A replica and whether it is alive.
#[derive(Clone, Debug, Serialize)]
pub struct ReplicaStatus {
    /// The name in the cluster.
    pub name: String,
    /// The host name in its rows. None if it is not alive.
    pub host: Option<String>,
}

/// The table that the target file names.
#[derive(Clone, Debug, Serialize)]
pub struct TableFacts {
    /// The name of the table.
    pub name: String,
    /// The options that decide how it merges and is queried.
    pub options: BTreeMap<String, String>,
    /// The number of replicas that hold it.
    pub replicas: u64,
    /// The number of partitions.
    pub partitions: u64,
    /// The number of segments.
    pub segments: u64,
    /// The number of rows on one replica, as the broker counts them. None if the count failed.
    pub rows: Option<u64>,
}

/// The cost of reading every replica once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CaptureCost {
    /// The average number of queries to the broker.
    pub queries: u64,
    /// The number of rows in their answers.
    pub rows: u64,
}

impl TableFacts {
    /// The estimated cost of one capture. It takes one query per segment and one per partition, each repeated
    /// until the right replica answers, because replicas answer in turn.
    pub fn cost(&self) -> CaptureCost {
        let wanted = self.replicas * (self.segments + self.partitions);
        // The rows, and a flag for every row.
        let rows = 2 * self.replicas * self.rows.unwrap_or_default();
        let tries = |count: u64| (count * (self.replicas + 1)).div_ceil(2);
        CaptureCost { queries: tries(wanted), rows: tries(rows) }
    }
}

/// The cost of tables that earlier runs have left, as far as known. Each of them keeps consuming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftoverCost {
    /// The number of segments.
    pub segments: u64,
    /// The number of consuming segments, counted on each replica.
    pub consuming: u64,
    /// Bytes on disk over all replicas. None if some table did not report them.
    pub bytes: Option<u64>,
}

/// A fault that the target cannot inject.
#[derive(Clone, Debug, Serialize)]
pub struct UnsupportedFault {
    /// The kind of fault.
    pub fault: FaultKind,
    /// The reason, for the user.
    pub why: String,
}

/// The error for a target with faults in force. It must not be compared, because the faults would cause
/// differences.
pub fn faults_in_force_error<'c>(path: &str, left: impl Iterator<Item = &'c Cure>) -> Option<TargetError> {
    let named: Vec<String> = left.map(|cure| format!("{} of run {}", cure.step, cure.mark)).collect();
    let (at, marks, heal) = (path.to_owned(), named.join(", "), path.to_owned());
    (!named.is_empty()).then_some(TargetError::FaultsInForce { at, marks, heal })
}

/// The state of a cluster.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Diagnosis {
    /// The name of the system.
    pub system: String,
    /// The version that it reports. None if it did not answer.
    pub version: Option<String>,
    /// The processes that were asked.
    pub asked: Vec<Endpoint>,
    /// All replicas of the cluster.
    pub replicas: Vec<ReplicaStatus>,
    /// Whether a run's table restarts all replicas, so that dead ones are no obstacle.
    pub starts_anew: bool,
    /// The table that the target file names. None if it names none or the table could not be read.
    pub table: Option<TableFacts>,
    /// The merge functions that this version lacks.
    pub lacks: Vec<Merge>,
    /// The faults that the target cannot inject.
    pub cannot: Vec<UnsupportedFault>,
    /// Why segments do not end on request. None if they do, or if that is unknown.
    pub boundaries: Option<String>,
    /// The run that holds the lock.
    pub holder: Option<Holder>,
    /// Whether it is certain that no run holds the lock.
    pub free: bool,
    /// Faults in force, of the current run or left by earlier ones.
    pub marks: Vec<Cure>,
    /// Tables that earlier runs have left.
    #[serde(rename = "leavings")]
    pub leftovers: Vec<Leftover>,
    /// The cost of those tables.
    pub left_cost: Option<LeftoverCost>,
    /// The folder with the lock and the marks. None if the cluster itself has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_folder: Option<PathBuf>,
    /// What could not be found out, and why.
    pub unknown: Vec<String>,
}

impl Diagnosis {
    /// Asks an endpoint, given as its name, its address and whether a run needs it, and notes how long the
    /// answer took.
    pub async fn ask<T>(
        &mut self,
        (who, at, needed): (&str, &str, bool),
        question: impl Future<Output = Result<T, TargetError>>,
    ) -> Option<T> {
        let begun = Instant::now();
        let answer = question.await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let problem = answer.as_ref().err().map(ToString::to_string);
        let (who, at) = (who.to_owned(), at.to_owned());
        self.asked.push(Endpoint { who, at, ms, problem, needed, status: None });
        answer.ok()
    }

    /// Host names that several replicas report. The rows of these replicas cannot be told apart.
    pub fn shared_hosts(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for ReplicaStatus { name, host } in &self.replicas {
            if let Some(host) = host {
                hosts.entry(host).or_default().push(name);
            }
        }
        hosts.retain(|_, names| names.len() > 1);
        hosts
    }

    /// The number of replicas that are alive.
    pub fn alive(&self) -> usize {
        self.replicas.iter().filter(|replica| replica.host.is_some()).count()
    }

    /// Whether a fault belongs to the run that holds the lock.
    pub fn is_in_force(&self, mark: &Cure) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.run == mark.mark)
    }

    /// The faults that earlier runs have left.
    pub fn left_faults(&self) -> impl Iterator<Item = &Cure> {
        self.marks.iter().filter(|mark| !self.is_in_force(mark))
    }

    /// Why no run could begin on this cluster. `dissent doctor` reports these, and a run is refused for them.
    /// `path` is the target file as given.
    pub fn obstacles(&self, path: &str) -> Vec<String> {
        let silent = self.asked.iter().filter(|asked| asked.needed);
        let silent = silent.filter_map(|asked| Some(format!("{}: {}", asked.who, asked.problem.as_ref()?)));
        let mut obstacles: Vec<String> = silent.collect();
        if !self.starts_anew && !self.replicas.is_empty() && self.alive() == 0 {
            obstacles.push(format!("none of its {} replicas is alive", self.replicas.len()));
        }
        let hosts = self.shared_hosts();
        obstacles.extend(
            hosts.iter().map(|(host, names)| format!("{} share the host name {host}", names.join(" and "))),
        );
        if let Some(holder) = &self.holder {
            let busy = TargetError::InUse { at: path.to_owned(), holder: holder.clone() };
            obstacles.push(busy.to_string());
        }
        obstacles.extend(faults_in_force_error(path, self.left_faults()).map(|error| error.to_string()));
        obstacles
    }

    /// Records the faults that `can` refuses.
    pub fn note_refusals(&mut self, can: impl Fn(FaultKind) -> Result<(), Refusal>) {
        let refused = FaultKind::ALL.into_iter().filter_map(|fault| can(fault).err());
        self.cannot =
            refused.map(|Refusal { fault, reason, .. }| UnsupportedFault { fault, why: reason }).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_costs_more_the_more_replicas_answer_in_turn() {
        let table = |replicas| TableFacts {
            name: "t".to_owned(),
            options: BTreeMap::new(),
            replicas,
            partitions: 2,
            segments: 6,
            rows: Some(100),
        };
        assert_eq!(table(1).cost(), CaptureCost { queries: 8, rows: 200 });
        assert_eq!(table(4).cost(), CaptureCost { queries: 80, rows: 2_000 });
        assert_eq!(TableFacts { rows: None, ..table(4) }.cost().rows, 0);
    }

    #[test]
    fn two_replicas_of_one_host_stand_in_the_way_and_dead_ones_do_not() {
        let standing = |name: &str, host: Option<&str>| ReplicaStatus {
            name: name.to_owned(),
            host: host.map(str::to_owned),
        };
        let mut diagnosis = Diagnosis::default();
        assert!(diagnosis.obstacles("my.toml").is_empty());
        diagnosis.replicas = vec![standing("a", Some("h")), standing("b", None), standing("c", None)];
        assert!(diagnosis.shared_hosts().is_empty() && diagnosis.obstacles("my.toml").is_empty());
        diagnosis.replicas.push(standing("d", Some("h")));
        assert_eq!(diagnosis.shared_hosts()["h"], ["a", "d"]);
        assert_eq!(diagnosis.obstacles("my.toml"), ["a and d share the host name h"]);
    }

    #[test]
    fn a_cluster_without_a_live_replica_is_in_the_way_unless_a_run_starts_them() {
        let dead = |name: &str| ReplicaStatus { name: name.to_owned(), host: None };
        let mut diagnosis = Diagnosis { replicas: vec![dead("a"), dead("b")], ..Diagnosis::default() };
        assert_eq!(diagnosis.obstacles("my.toml"), ["none of its 2 replicas is alive"]);
        diagnosis.starts_anew = true;
        assert!(diagnosis.obstacles("my.toml").is_empty());
    }
}
