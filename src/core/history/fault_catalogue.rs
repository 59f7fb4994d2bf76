//! The table of all kinds of faults. What is true of a kind, what it is called and what it needs is in its
//! row here, and nowhere else.

use super::fault::{CommandLine, FaultKind, NetworkMode, Peer, Queue, Transition};
use super::stored_name::stored_name;
use FaultEffect::{AllPartitions, AllReplicas, HoldsBack, OnWriters, Silences, WithholdsSegment};

/// One kind of fault, as a row of the table.
#[derive(Debug)]
pub struct FaultSpec {
    /// Its name in plans.
    pub name: &'static str,
    /// What it does, for `dissent list faults`.
    pub does: &'static str,
    /// How it is undone, or what becomes of it.
    pub cure: &'static str,
    /// The fault and its cure in a few words, for a schedule.
    pub schedule: &'static str,
    /// What a plan counts if it counts the fault itself. `None` if only what happens under it counts.
    pub counted_as: Option<&'static str>,
    /// What a target file must allow, unless the system needs something else. Empty for a fault that only
    /// affects the table that the run creates.
    pub needs: &'static [Need],
    /// What it does to the replicas.
    pub effects: &'static [FaultEffect],
}

/// An effect of a fault that decides what can be asked, read and concluded while it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultEffect {
    /// The whole replica falls silent: nothing can be read from it.
    Silences,
    /// The replica gets one segment, the next to be opened, too late. Plans with such a fault are about what
    /// the replica merges in the meantime.
    WithholdsSegment,
    /// It affects all partitions, not only the one that was drawn.
    AllPartitions,
    /// It affects all replicas of the table, whichever one was drawn.
    AllReplicas,
    /// It acts on writers that share a shard. Other targets have no such writers.
    OnWriters,
    /// It may keep its replica from progressing. Only then does it excuse a stalled replica.
    ///
    /// ```text
    /// b is frozen, and is named the winner of a commit for the last 20 s: it was free to go on all the while
    /// ```
    ///
    /// A writer that joins or leaves is no excuse either: such plans ask whether the other writers go on.
    HoldsBack,
}

/// Something that dissent does to a target, and the permission for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it does, as the end of the sentence "the file does not allow dissent to ..".
    pub to: &'static str,
    /// The permission.
    pub permission: Permission,
}

/// What the `[allow]` table of a target file permits, line by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Create tables and write to them.
    Writes,
    /// Hold something back inside the system.
    Holds,
    /// Kill replicas and start them again.
    Restart,
    /// Stop replicas and resume them.
    Pause,
    /// Hold back downloads.
    Downloads,
    /// Start writers of a shared shard, and stop them for good.
    Writers,
    /// Begin the faults that the file describes by commands.
    Commands,
    /// Cut and disturb the network between nodes.
    Network,
    /// Slow machines down, set their clocks and fill their disks.
    Machines,
}

impl Permission {
    /// Its line in the target file.
    pub fn line(self) -> &'static str {
        match self {
            Permission::Writes => "writes",
            Permission::Holds => "holds",
            Permission::Restart => "restart",
            Permission::Pause => "pause",
            Permission::Downloads => "downloads",
            Permission::Writers => "writers",
            Permission::Commands => "commands",
            Permission::Network => "network",
            Permission::Machines => "machines",
        }
    }
}

impl FaultKind {
    /// Every kind, with a sample value where a kind has a parameter. Kinds with the same name are neighbours.
    pub const ALL: [FaultKind; 23] = [
        FaultKind::HoldMessage(Transition::OfflineToConsuming),
        FaultKind::HoldMessage(Transition::ConsumingToOnline),
        FaultKind::Restart,
        FaultKind::Pause,
        FaultKind::CommitWinner,
        FaultKind::SlowDownload,
        FaultKind::Rebalance,
        FaultKind::PauseConsumption,
        FaultKind::Reload,
        FaultKind::SecondWriter,
        FaultKind::DropWriter,
        FaultKind::Cutover,
        FaultKind::Lag { timestamps: 1 },
        FaultKind::DelayQueue { queue: Queue::Input, ms: 1 },
        FaultKind::LockTable,
        FaultKind::LongSnapshot,
        FaultKind::SkipTransaction,
        FaultKind::Command(CommandLine::new_const()),
        FaultKind::Network { peer: Peer::Controller, mode: NetworkMode::Partition },
        FaultKind::Network { peer: Peer::Service, mode: NetworkMode::Partition },
        FaultKind::SlowNode { times: 2 },
        FaultKind::ClockJump { ms: 1 },
        FaultKind::DiskFull,
    ];

    /// Its row of the table.
    pub fn spec(self) -> &'static FaultSpec {
        match self {
            FaultKind::HoldMessage(Transition::OfflineToConsuming) => &HOLD_CONSUMING,
            FaultKind::HoldMessage(Transition::ConsumingToOnline) => &HOLD_ONLINE,
            FaultKind::Restart => &RESTART,
            FaultKind::Pause => &PAUSE,
            FaultKind::CommitWinner => &COMMIT_WINNER,
            FaultKind::SlowDownload => &SLOW_DOWNLOAD,
            FaultKind::Rebalance => &REBALANCE,
            FaultKind::PauseConsumption => &PAUSE_CONSUMPTION,
            FaultKind::Reload => &RELOAD,
            FaultKind::SecondWriter => &SECOND_WRITER,
            FaultKind::DropWriter => &DROP_WRITER,
            FaultKind::Cutover => &CUTOVER,
            FaultKind::Lag { .. } => &LAG,
            FaultKind::DelayQueue { .. } => &DELAY_QUEUE,
            FaultKind::LockTable => &LOCK_TABLE,
            FaultKind::LongSnapshot => &LONG_SNAPSHOT,
            FaultKind::SkipTransaction => &SKIP_TRANSACTION,
            FaultKind::Command(_) => &COMMAND,
            FaultKind::Network { mode, .. } => match mode {
                NetworkMode::Partition | NetworkMode::CutIncoming | NetworkMode::CutOutgoing => &CUT_OFF,
                NetworkMode::DelayMs(_) | NetworkMode::DropPercent(_) | NetworkMode::ThrottlePerSecond(_) => {
                    &FLAKY
                }
            },
            FaultKind::SlowNode { .. } => &SLOW_NODE,
            FaultKind::ClockJump { .. } => &CLOCK_JUMP,
            FaultKind::DiskFull => &DISK_FULL,
        }
    }

    /// Whether it can be in force at several replicas at once, each by itself.
    pub fn can_hit_several(self) -> bool {
        match self {
            FaultKind::Restart
            | FaultKind::Pause
            | FaultKind::DropWriter
            | FaultKind::Lag { .. }
            | FaultKind::DelayQueue { .. }
            | FaultKind::LockTable
            | FaultKind::LongSnapshot
            | FaultKind::SkipTransaction
            | FaultKind::Command(_)
            | FaultKind::Network { .. }
            | FaultKind::SlowNode { .. }
            | FaultKind::ClockJump { .. }
            | FaultKind::DiskFull => true,
            FaultKind::HoldMessage(_)
            | FaultKind::CommitWinner
            | FaultKind::SlowDownload
            | FaultKind::Rebalance
            | FaultKind::PauseConsumption
            | FaultKind::Reload
            | FaultKind::SecondWriter
            | FaultKind::Cutover => false,
        }
    }

    fn has(self, effect: FaultEffect) -> bool {
        self.spec().effects.contains(&effect)
    }

    /// Its name in plans.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Its name with what tells it from others of its name, for reports.
    pub fn full_name(self) -> String {
        match self {
            FaultKind::HoldMessage(message) => format!("{} {}", self.name(), stored_name(&message)),
            FaultKind::DelayQueue { queue, .. } => format!("{} {}", self.name(), stored_name(&queue)),
            FaultKind::Network { mode, .. } => format!("{} {}", self.name(), mode.name()),
            FaultKind::Command(line) => format!("{} {line}", self.name()).trim_end().to_owned(),
            _ => self.name().to_owned(),
        }
    }

    /// What a plan counts if it counts the fault itself.
    pub fn counted_as(self) -> Option<&'static str> {
        self.spec().counted_as
    }

    /// Whether nothing can be read from the replica ([`FaultEffect::Silences`]).
    pub fn silences(self) -> bool {
        self.has(Silences)
    }

    /// Whether the replica gets a segment too late ([`FaultEffect::WithholdsSegment`]).
    pub fn withholds_a_segment(self) -> bool {
        self.has(WithholdsSegment)
    }

    /// Whether it affects all partitions ([`FaultEffect::AllPartitions`]).
    pub fn is_of_all_partitions(self) -> bool {
        self.has(AllPartitions)
    }

    /// Whether it acts on writers that share a shard ([`FaultEffect::OnWriters`]).
    pub fn is_of_writers(self) -> bool {
        self.has(OnWriters)
    }

    /// Whether it affects all replicas ([`FaultEffect::AllReplicas`]).
    pub fn is_of_all(self) -> bool {
        self.has(AllReplicas)
    }

    /// Whether it excuses a stalled replica ([`FaultEffect::HoldsBack`]).
    pub fn holds_back(self) -> bool {
        self.has(HoldsBack)
    }
}

const HOLD_MESSAGES: &[Need] = &[Need { to: "hold back messages", permission: Permission::Holds }];
const STOP_REPLICA: &[Need] = &[Need { to: "stop a replica", permission: Permission::Pause }];
const CHANGE_WRITERS: &[Need] =
    &[Need { to: "start writers and stop them for good", permission: Permission::Writers }];
const DELAY_WRITERS: &[Need] =
    &[Need { to: "delay what writers send and receive", permission: Permission::Holds }];

const HOLD_CONSUMING: FaultSpec = FaultSpec {
    name: "hold-message",
    does: "hold back one message of the coordination service",
    cure: "undo: deliver it",
    schedule: "hold back the message to consume it",
    counted_as: None,
    needs: HOLD_MESSAGES,
    effects: &[WithholdsSegment, HoldsBack],
};

const HOLD_ONLINE: FaultSpec =
    FaultSpec { schedule: "hold back the message to register it", ..HOLD_CONSUMING };

const RESTART: FaultSpec = FaultSpec {
    name: "restart",
    does: "kill -9 a replica",
    cure: "undo: start it again",
    schedule: "kill, then start again",
    counted_as: Some("restarts"),
    needs: &[Need { to: "kill a replica", permission: Permission::Restart }],
    effects: &[Silences, AllPartitions, HoldsBack],
};

const PAUSE: FaultSpec = FaultSpec {
    name: "pause",
    does: "stop a replica (SIGSTOP), so that it does not answer",
    cure: "undo: resume it (SIGCONT)",
    schedule: "stop, then resume",
    counted_as: Some("pauses"),
    needs: STOP_REPLICA,
    effects: &[Silences, AllPartitions, HoldsBack],
};

const COMMIT_WINNER: FaultSpec = FaultSpec {
    name: "commit-winner",
    does: "let a chosen replica win the next commit of a partition",
    cure: "undo: let any replica win",
    schedule: "let this replica win the next commit",
    counted_as: None,
    needs: &[Need { to: "choose who wins a commit", permission: Permission::Holds }],
    effects: &[],
};

const SLOW_DOWNLOAD: FaultSpec = FaultSpec {
    name: "slow-download",
    does: "hold back downloads of one segment",
    cure: "undo: let them through",
    schedule: "hold back downloads of the segment",
    counted_as: None,
    needs: &[Need { to: "hold back downloads", permission: Permission::Downloads }],
    effects: &[WithholdsSegment, HoldsBack],
};

const REBALANCE: FaultSpec = FaultSpec {
    name: "rebalance",
    does: "move a partition to a replica that had no part of it",
    cure: "nothing to undo: it stays there",
    schedule: "move the partition to another replica",
    counted_as: Some("rebalances"),
    needs: &[],
    effects: &[AllPartitions, HoldsBack],
};

const PAUSE_CONSUMPTION: FaultSpec = FaultSpec {
    name: "pause-consumption",
    does: "stop consumption on all replicas, with the system's own switch",
    cure: "undo: resume it",
    schedule: "pause consumption, then resume it",
    counted_as: Some("pauses of consumption"),
    needs: &[],
    effects: &[AllPartitions, AllReplicas, HoldsBack],
};

const RELOAD: FaultSpec = FaultSpec {
    name: "reload",
    does: "make every replica replace its copy of a segment with the committed one",
    cure: "nothing to undo",
    schedule: "load the committed copy on every replica",
    counted_as: None,
    needs: &[],
    effects: &[AllReplicas],
};

const SECOND_WRITER: FaultSpec = FaultSpec {
    name: "second-writer",
    does: "start another writer that appends to a shared shard",
    cure: "nothing to undo: it stays",
    schedule: "start this writer next to the others",
    counted_as: Some("second writers"),
    needs: CHANGE_WRITERS,
    effects: &[OnWriters, AllPartitions],
};

const DROP_WRITER: FaultSpec = FaultSpec {
    name: "drop-writer",
    does: "stop a writer of a shared shard",
    cure: "nothing to undo: it stays away",
    schedule: "stop this writer for good",
    counted_as: Some("writers dropped"),
    needs: CHANGE_WRITERS,
    effects: &[OnWriters, AllPartitions],
};

const CUTOVER: FaultSpec = FaultSpec {
    name: "cutover",
    does: "start a new generation of a writer, read-only",
    cure: "at the end: promote it and stop all others",
    schedule: "start it again, read-only; then promote it and stop all others",
    counted_as: Some("cutovers"),
    needs: CHANGE_WRITERS,
    effects: &[OnWriters, AllPartitions],
};

const LAG: FaultSpec = FaultSpec {
    name: "lag",
    does: "keep a writer's input some timestamps behind",
    cure: "undo: let it catch up",
    schedule: "delay the input of this writer",
    counted_as: Some("lags"),
    needs: DELAY_WRITERS,
    effects: &[OnWriters, AllPartitions, HoldsBack],
};

const DELAY_QUEUE: FaultSpec = FaultSpec {
    name: "delay-queue",
    does: "slow one of a writer's queues (input, feedback, append)",
    cure: "undo: restore its speed",
    schedule: "slow one of this writer's queues",
    counted_as: Some("delays of a queue"),
    needs: DELAY_WRITERS,
    effects: &[OnWriters, AllPartitions, HoldsBack],
};

const LOCK_TABLE: FaultSpec = FaultSpec {
    name: "lock-table",
    does: "hold a lock on the run's table at one replica, so that the replica cannot apply changes",
    cure: "undo: end the session that holds it",
    schedule: "lock the table here, then unlock it",
    counted_as: Some("table locks"),
    needs: &[Need { to: "lock the run's table at a replica", permission: Permission::Holds }],
    effects: &[AllPartitions, HoldsBack],
};

const LONG_SNAPSHOT: FaultSpec = FaultSpec {
    name: "long-snapshot",
    does: "keep an old snapshot open at one standby, so that replay waits for its reader",
    cure: "undo: end the reader's session",
    schedule: "keep an old snapshot open, then close it",
    counted_as: Some("long snapshots"),
    needs: &[Need { to: "keep an old snapshot open at a replica", permission: Permission::Holds }],
    effects: &[AllPartitions, HoldsBack],
};

const SKIP_TRANSACTION: FaultSpec = FaultSpec {
    name: "skip-transaction",
    does: "make one replica skip one transaction, as an operator does to get past a conflict",
    cure: "nothing to undo",
    schedule: "skip one transaction",
    counted_as: Some("skipped transactions"),
    needs: &[Need { to: "make a replica skip a transaction", permission: Permission::Holds }],
    effects: &[AllPartitions],
};

const COMMAND: FaultSpec = FaultSpec {
    name: "command",
    does: "begin a fault that the target file describes by commands (`[fault.NAME]`)",
    cure: "undo: run the cure that the file describes",
    schedule: "run a command, then its cure",
    counted_as: Some("commands"),
    needs: &[Need { to: "run the commands of a fault", permission: Permission::Commands }],
    effects: &[AllPartitions, HoldsBack],
};

const CUT_OFF: FaultSpec = FaultSpec {
    name: "network",
    does: "cut, delay or lose the messages between a node and a peer",
    cure: "undo: let them through",
    schedule: "cut it off from its peer, then reconnect it",
    counted_as: Some("network faults"),
    needs: &[Need { to: "cut and disturb the network", permission: Permission::Network }],
    effects: &[AllPartitions, HoldsBack],
};

const FLAKY: FaultSpec =
    FaultSpec { schedule: "delay or lose messages to and from its peer, then stop that", ..CUT_OFF };

const CHANGE_MACHINE: &[Need] =
    &[Need { to: "disturb the machine of a replica", permission: Permission::Machines }];

const SLOW_NODE: FaultSpec = FaultSpec {
    name: "slow-node",
    does: "make all that a node does take several times as long",
    cure: "undo: restore its speed",
    schedule: "slow it down, then restore its speed",
    counted_as: Some("slow nodes"),
    needs: CHANGE_MACHINE,
    effects: &[AllPartitions, HoldsBack],
};

const CLOCK_JUMP: FaultSpec = FaultSpec {
    name: "clock-jump",
    does: "set the wall clock of a node forwards or back",
    cure: "undo: set it right",
    schedule: "set its clock wrong, then right",
    counted_as: Some("clock jumps"),
    needs: CHANGE_MACHINE,
    effects: &[AllPartitions],
};

const DISK_FULL: FaultSpec = FaultSpec {
    name: "disk-full",
    does: "fill the disk of a node, so that it cannot store copies of segments",
    cure: "undo: free it; the node stores them then",
    schedule: "fill its disk, then free it",
    counted_as: Some("full disks"),
    needs: CHANGE_MACHINE,
    effects: &[AllPartitions, HoldsBack],
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// An unknown name makes serde list the known ones.
    #[test]
    fn every_kind_is_in_the_list_of_all_under_its_name_in_plans() {
        let error = serde_json::from_str::<FaultKind>("\"?\"").expect_err("no kind").to_string();
        let known: BTreeSet<&str> = error.split('`').skip(3).step_by(2).collect();
        let listed: BTreeSet<&str> = FaultKind::ALL.into_iter().map(FaultKind::name).collect();
        assert_eq!(listed, known);
        assert_eq!(stored_name(&FaultKind::LockTable), FaultKind::LockTable.name());
    }

    #[test]
    fn a_silent_replica_takes_all_its_partitions_with_it() {
        for kind in FaultKind::ALL.into_iter().filter(|kind| kind.silences() || kind.is_of_writers()) {
            assert!(kind.is_of_all_partitions(), "{}", kind.name());
        }
    }
}
