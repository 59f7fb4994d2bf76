//! A one-line description of every built-in target, fault and finding.

/// Targets.
pub const TARGETS: &[(&str, &str)] = &[
    ("specimen-segments", "a built-in cluster as real processes: a controller and four servers on loopback"),
    (
        "sim-segments",
        "the same cluster in virtual time: a run takes milliseconds, and a seed always gives the same bytes",
    ),
    (
        "specimen-shard",
        "a built-in cluster as real processes: writers that keep the latest rows in one shared shard",
    ),
    ("sim-shard", "the same cluster in virtual time"),
    (
        "TARGET.toml",
        "your own cluster: Apache Pinot fed by Kafka, or a built-in cluster that outlives its runs",
    ),
];

/// Faults.
pub const FAULTS: &[(&str, &str)] = &[
    ("hold-message", "hold back one message of the coordination service; undo: deliver it"),
    ("restart", "kill -9 a replica; undo: start it again"),
    ("pause", "stop a replica (SIGSTOP), so that it does not answer; undo: resume it (SIGCONT)"),
    ("commit-winner", "let a chosen replica win the next commit of a partition; undo: let any replica win"),
    ("slow-download", "hold back downloads of one segment; undo: let them through"),
    ("rebalance", "move a partition to a replica that had no part of it; nothing to undo: it stays there"),
    ("pause-consumption", "stop consumption on all replicas, with the system's own switch; undo: resume it"),
    ("reload", "make every replica replace its copy of a segment with the committed one; nothing to undo"),
    ("second-writer", "start another writer that appends to a shared shard; nothing to undo: it stays"),
    ("drop-writer", "stop a writer of a shared shard; nothing to undo: it stays away"),
    ("cutover", "start a new generation of a writer, read-only; at the end: promote it and stop all others"),
    ("lag", "keep a writer's input some timestamps behind; undo: let it catch up"),
    ("delay-queue", "slow one of a writer's queues (input, feedback, append); undo: restore its speed"),
];

/// What a finding may say is wrong.
pub const FINDINGS: &[(&str, &str)] = &[
    ("wrong-value", "a raw row differs from the row computed from the log"),
    ("differs", "replicas show different contents at one offset, and no model says which is right"),
    ("missing", "a replica covers an offset but has no row for it"),
    ("extra", "a replica has a row, or shows a key as current, that is not in the log"),
    ("duplicate-current", "a key has more than one current row"),
    ("stale-current", "a superseded row is still current"),
    ("no-current", "a live key has no current row"),
    ("resurrected", "a deleted key came back"),
    ("duplicate-row", "one read returned more than one row for the same offset"),
    ("frozen", "a consuming position or another frontier stopped while there was more to process"),
    ("regressed", "a frontier went back without a restart, or across one although it is declared durable"),
    ("ahead", "a frontier is ahead of its upstream"),
    ("lost-ack", "an acknowledged op is missing from the log"),
];
