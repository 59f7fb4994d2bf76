//! How a cluster stands, as `dissent doctor` tells it. Nothing is changed to find it out.

use super::Refusal;
use crate::plan::schedule::FaultKind;
use crate::record::cure::Cure;
use crate::schema::Merge;
use serde::Serialize;
use std::collections::BTreeMap;

/// Somebody who was asked.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
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
pub struct Standing {
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
pub struct Cost {
    /// Queries to the broker, on average.
    pub queries: u64,
    /// Rows in their answers.
    pub rows: u64,
}

impl TableFacts {
    /// A query a segment and one a partition, each repeated until the wanted one of the replicas answers:
    /// they answer in turn.
    pub fn cost(&self) -> Cost {
        let wanted = self.replicas * (self.segments + self.partitions);
        // Rows and flags of every row.
        let rows = 2 * self.replicas * self.rows.unwrap_or_default();
        let tries = |count: u64| (count * (self.replicas + 1)).div_ceil(2);
        Cost { queries: tries(wanted), rows: tries(rows) }
    }
}

/// Who has the target.
#[derive(Clone, Debug, Serialize)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// Whose it is.
    pub owner: String,
    /// For how long, in seconds.
    pub seconds: u64,
}

/// A table that looks like one of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaving {
    /// The table, and its topic and schema.
    pub table: String,
    /// The run that made it; none if nothing says that a run did.
    pub run: Option<String>,
}

/// A fault that cannot be done.
#[derive(Clone, Debug, Serialize)]
pub struct Cannot {
    /// Which.
    pub fault: FaultKind,
    /// Why not.
    pub why: String,
}

/// How a cluster stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checkup {
    /// What it is.
    pub system: String,
    /// Its version, as it reports it.
    pub version: Option<String>,
    /// Who was asked.
    pub asked: Vec<Asked>,
    /// Its replicas.
    pub replicas: Vec<Standing>,
    /// The table that the target file names.
    pub table: Option<TableFacts>,
    /// Merge functions that this version does not have.
    pub lacks: Vec<Merge>,
    /// Faults that cannot be done.
    pub cannot: Vec<Cannot>,
    /// The run that has it now.
    pub holder: Option<Holder>,
    /// Whether it is known that no run has it.
    pub free: bool,
    /// Faults that runs have left.
    pub marks: Vec<Cure>,
    /// Tables that runs have left.
    pub leavings: Vec<Leaving>,
    /// What could not be found out, and why.
    pub unknown: Vec<String>,
}

impl Checkup {
    /// Hosts that more than one replica claims as its own: their rows cannot be told apart.
    pub fn twins(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for Standing { name, host } in &self.replicas {
            if let Some(host) = host {
                hosts.entry(host).or_default().push(name);
            }
        }
        hosts.retain(|_, names| names.len() > 1);
        hosts
    }

    /// Why no run could begin, as far as the cluster goes.
    pub fn obstacles(&self) -> Vec<String> {
        let silent = self.asked.iter().filter(|asked| asked.needed && asked.problem.is_some());
        let mut obstacles: Vec<String> =
            silent.map(|asked| format!("{} does not answer", asked.who)).collect();
        let hosts = self.twins();
        obstacles.extend(hosts.iter().map(|(host, names)| format!("{} share {host}", names.join(" and "))));
        obstacles.extend(self.holder.iter().map(|holder| format!("run {} has it", holder.run)));
        if !self.marks.is_empty() {
            obstacles.push(format!("{} faults of earlier runs are left", self.marks.len()));
        }
        obstacles
    }

    /// Notes which faults these hands refuse.
    pub fn note_refusals(&mut self, can: impl Fn(FaultKind) -> Result<(), Refusal>) {
        let refused = FaultKind::ALL.into_iter().filter_map(|fault| can(fault).err());
        self.cannot = refused.map(|Refusal { fault, reason, .. }| Cannot { fault, why: reason }).collect();
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
        assert_eq!(table(1).cost(), Cost { queries: 8, rows: 200 });
        assert_eq!(table(4).cost(), Cost { queries: 80, rows: 2_000 });
        assert_eq!(TableFacts { rows: None, ..table(4) }.cost().rows, 0);
    }

    #[test]
    fn two_replicas_of_one_host_stand_in_the_way_and_dead_ones_do_not() {
        let standing = |name: &str, host: Option<&str>| Standing {
            name: name.to_owned(),
            host: host.map(str::to_owned),
        };
        let mut checkup = Checkup::default();
        assert!(checkup.obstacles().is_empty());
        checkup.replicas = vec![standing("a", Some("h")), standing("b", None), standing("c", None)];
        assert!(checkup.twins().is_empty() && checkup.obstacles().is_empty());
        checkup.replicas.push(standing("d", Some("h")));
        assert_eq!(checkup.twins()["h"], ["a", "d"]);
        assert_eq!(checkup.obstacles(), ["a and d share h"]);
    }
}
