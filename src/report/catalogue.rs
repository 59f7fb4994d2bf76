//! One line on every built-in target, fault and finding.

/// Targets.
pub const TARGETS: &[(&str, &str)] = &[
    ("specimen-segments", "an embedded cluster as real processes: a controller and four servers on loopback"),
    (
        "sim-segments",
        "the same cluster in virtual time: a run takes milliseconds, a seed gives the same bytes",
    ),
    (
        "specimen-shard",
        "another as real processes: writers that keep the latest row of every key in one shared shard",
    ),
    ("sim-shard", "the same in virtual time"),
    (
        "TARGET.toml",
        "a cluster of your own: Apache Pinot with Kafka before it, or an embedded cluster that outlives runs",
    ),
];

/// Faults.
pub const FAULTS: &[(&str, &str)] = &[
    ("hold-message", "keep one message of the coordination service from its receiver; cure: release it"),
    ("restart", "kill -9 a replica; cure: start it again"),
    ("pause", "stop a replica (SIGSTOP) so that it answers nobody; cure: let it go on (SIGCONT)"),
    ("commit-winner", "let a chosen replica win the next commit of a partition; cure: any may win again"),
    ("slow-download", "keep the copy of one segment from whoever fetches it; cure: let it through"),
    ("rebalance", "move a partition to a replica that had nothing of it; nothing to cure: it stays there"),
    ("pause-consumption", "no replica consumes, by the system's own switch; cure: consumption is resumed"),
    ("reload", "every replica takes the committed copy of a segment in place of its own; nothing to cure"),
    (
        "second-writer",
        "start one more writer of a shared shard, which appends too; nothing to cure: it stays",
    ),
    ("drop-writer", "end a writer of a shared shard; nothing to cure: it stays away"),
    ("cutover", "start a new generation of a writer, read-only; cure: promote it, and end all others"),
    ("lag", "keep a writer's input some timestamps behind; cure: no more"),
    ("delay-queue", "slow a writer's way to or from its shard (input, feedback, append); cure: no more"),
];

/// What a finding may say is wrong.
pub const FINDINGS: &[(&str, &str)] = &[
    ("wrong-value", "a raw row is not what the log folds to"),
    ("differs", "replicas show different contents at one offset, and no model says which is right"),
    ("missing", "a replica covers an offset and has no row there"),
    ("extra", "a replica has a row, or shows a key as current, that the log does not have"),
    ("duplicate-current", "more than one row of a key is current"),
    ("stale-current", "a superseded row is current"),
    ("no-current", "no row of a live key is current"),
    ("resurrected", "a deleted key came back"),
    ("duplicate-row", "one read brought more than one row for one offset"),
    ("frozen", "a consuming position or another frontier stopped while there was more to come"),
    ("regressed", "a frontier went back within one life, or though it is declared durable"),
    ("ahead", "a frontier says more than its upstream has"),
    ("lost-ack", "an acknowledged op is not in the log"),
];
