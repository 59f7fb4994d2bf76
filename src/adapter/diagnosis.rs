//! How a cluster stands, as `dissent doctor` tells it. Nothing is changed to find it out.

use super::api::{Leftover, Refusal};
use crate::target_error::Holder;
use crate::target_error::TargetError;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::schema::Merge;
use dissent_store::cure::Cure;
use serde::Serialize;
use std::collections::BTreeMap;

/// Somebody who was asked.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    /// Who, in a word.
    pub who: String,
    /// Where.
    pub at: String,
    /// How long the answer took.
    pub ms: u64,
    /// Why there was none.
    pub problem: Option<String>,
    /// Whether a run needs it.
    pub needed: bool,
}

/// A replica.
#[derive(Clone, Debug, Serialize)]
pub struct ReplicaStatus {
    /// Its name.
    pub name: String,
    /// What its rows call it; none for one that is not alive.
    pub host: Option<String>,
}

/// The table that the target file names.
#[derive(Clone, Debug, Serialize)]
pub struct TableFacts {
    /// Its name.
    pub name: String,
    /// What decides how it merges and is queried.
    pub options: BTreeMap<String, String>,
    /// How many replicas have it.
    pub replicas: u64,
    /// Partitions.
    pub partitions: u64,
    /// Segments.
    pub segments: u64,
    /// Rows on a replica, as the broker counts them.
    pub rows: Option<u64>,
}

/// What reading every replica once costs the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CaptureCost {
    /// Queries to the broker, on average.
    pub queries: u64,
    /// Rows in their answers.
    pub rows: u64,
}

impl TableFacts {
    /// A query a segment and one a partition, each repeated until the wanted one of the replicas answers:
    /// they answer in turn.
    pub fn cost(&self) -> CaptureCost {
        let wanted = self.replicas * (self.segments + self.partitions);
        // Rows and flags of every row.
        let rows = 2 * self.replicas * self.rows.unwrap_or_default();
        let tries = |count: u64| (count * (self.replicas + 1)).div_ceil(2);
        CaptureCost { queries: tries(wanted), rows: tries(rows) }
    }
}

/// What tables that runs have left cost, as far as it is known: each goes on consuming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftoverCost {
    /// Segments.
    pub segments: u64,
    /// Those that replicas still consume, counted once a replica.
    pub consuming: u64,
    /// Bytes on disk, over all replicas; none if not every table told.
    pub bytes: Option<u64>,
}

/// A fault that cannot be done.
#[derive(Clone, Debug, Serialize)]
pub struct UnsupportedFault {
    /// Which.
    pub fault: FaultKind,
    /// Why not.
    pub why: String,
}

/// A target with faults in force is not compared: what it showed would be their doing.
pub fn marked<'c>(path: &str, left: impl Iterator<Item = &'c Cure>) -> Option<TargetError> {
    let named: Vec<String> = left.map(|cure| format!("{} of run {}", cure.step, cure.mark)).collect();
    let (at, marks, heal) = (path.to_owned(), named.join(", "), path.to_owned());
    (!named.is_empty()).then_some(TargetError::FaultsInForce { at, marks, heal })
}

/// How a cluster stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Diagnosis {
    /// What it is.
    pub system: String,
    /// Its version, as it reports it.
    pub version: Option<String>,
    /// Who was asked.
    pub asked: Vec<Endpoint>,
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
    /// Whether a run's table starts them all anew: then dead ones are in nobody's way.
    pub starts_anew: bool,
    /// The table that the target file names.
    pub table: Option<TableFacts>,
    /// Merge functions that this version does not have.
    pub lacks: Vec<Merge>,
    /// Faults that cannot be done.
    pub cannot: Vec<UnsupportedFault>,
    /// Why segments are not ended on request there, if they are not.
    pub boundaries: Option<String>,
    /// The run that has it now.
    pub holder: Option<Holder>,
    /// Whether it is known that no run has it.
    pub free: bool,
    /// Faults in force, of the run that has it or left by others.
    pub marks: Vec<Cure>,
    /// Tables that runs have left.
    #[serde(rename = "leavings")]
    pub leftovers: Vec<Leftover>,
    /// What they cost.
    pub left_cost: Option<LeftoverCost>,
    /// What could not be found out, and why.
    pub unknown: Vec<String>,
}

impl Diagnosis {
    /// Hosts that more than one replica claims as its own: their rows cannot be told apart.
    pub fn twins(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for ReplicaStatus { name, host } in &self.replicas {
            if let Some(host) = host {
                hosts.entry(host).or_default().push(name);
            }
        }
        hosts.retain(|_, names| names.len() > 1);
        hosts
    }

    /// How many replicas are alive.
    pub fn alive(&self) -> usize {
        self.replicas.iter().filter(|replica| replica.host.is_some()).count()
    }

    /// Whether a fault is one of the run that has the target now.
    pub fn is_in_force(&self, mark: &Cure) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.run == mark.mark)
    }

    /// The faults that earlier runs have left.
    pub fn left(&self) -> impl Iterator<Item = &Cure> {
        self.marks.iter().filter(|mark| !self.is_in_force(mark))
    }

    /// Why no run could begin, as far as the cluster goes: what `dissent doctor` tells, and what a run is
    /// refused for. `path` is the target file, as given.
    pub fn obstacles(&self, path: &str) -> Vec<String> {
        let silent = self.asked.iter().filter(|asked| asked.needed);
        let silent = silent.filter_map(|asked| Some(format!("{}: {}", asked.who, asked.problem.as_ref()?)));
        let mut obstacles: Vec<String> = silent.collect();
        if !self.starts_anew && !self.replicas.is_empty() && self.alive() == 0 {
            obstacles.push(format!("none of its {} replicas is alive", self.replicas.len()));
        }
        let hosts = self.twins();
        obstacles.extend(
            hosts.iter().map(|(host, names)| format!("{} share the host name {host}", names.join(" and "))),
        );
        if let Some(holder) = &self.holder {
            let busy = TargetError::InUse { at: path.to_owned(), holder: holder.clone() };
            obstacles.push(busy.to_string());
        }
        obstacles.extend(marked(path, self.left()).map(|marked| marked.to_string()));
        obstacles
    }

    /// Notes which faults this injector refuses.
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
        assert!(diagnosis.twins().is_empty() && diagnosis.obstacles("my.toml").is_empty());
        diagnosis.replicas.push(standing("d", Some("h")));
        assert_eq!(diagnosis.twins()["h"], ["a", "d"]);
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
