//! The lines that Pinot's servers and controllers log of their own work, as templates. `LOG_LINES.md` beside
//! this file says where each comes from and what it means.
//!
//! Most kinds are those of [`dissent_core::history::lifecycle`]. The others are Pinot's own steps.

/// A release, as its first two numbers.
pub(super) type PinotRelease = (u32, u32);

/// The server begins a session. The lines after this one belong to it.
pub(super) const SESSION: &str = "session";

/// A message was read, so long after its creation.
pub(super) const LATENCY: &str = "latency";

/// A transition is queued for execution.
pub(super) const SCHEDULED: &str = "transition-scheduled";

/// The consumer asks the log for entries from this offset on: it has merged all before it.
pub(super) const FETCH: &str = "fetch";

/// A consumer's count of what it has consumed.
pub(super) const CONSUMED: &str = "consumed";

/// The only consumer of a partition may begin.
pub(super) const SEMAPHORE_ACQUIRED: &str = "semaphore-acquired";

/// A segment begins to be replaced by another copy.
pub(super) const REPLACING: &str = "replacing";

/// Lines that tell something about others and are no events themselves.
const AUXILIARY: [&str; 3] = [SESSION, LATENCY, FETCH];

/// Lines that only tables with certain options have. If they are absent, that means nothing.
const OPTIONAL: [&str; 1] = ["snapshot"];

/// The test of the latch that holds consumers back until a server's segments are loaded. Once it has opened
/// for a table, it is not tested again.
const ALL_LOADED: (&str, &str) = ("name", "all-segments-loaded");

/// The test of tables whose segments are consumed in order.
pub(super) const PREVIOUS_REGISTERED: &str = "previous-segment-registered";

/// A form of line. In its text `{name}` stands for text without a blank and `{name*}` for any text; `{_}` is
/// dropped. `segment`, `unloaded`, `table`, `from` and `to` have a meaning. Other names become fields of the
/// event's detail, with a dot for a field within a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineTemplate {
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
    /// Fields that a line of this form always means.
    pub(super) facts: &'static [(&'static str, &'static str)],
    /// The first release with it.
    since: PinotRelease,
    /// The first release without it.
    until: PinotRelease,
}

const fn line(kind: &'static str, text: &'static str) -> LineTemplate {
    LineTemplate { kind, text, facts: &[], since: (0, 11), until: (u32::MAX, 0) }
}

impl LineTemplate {
    const fn since(self, since: PinotRelease) -> LineTemplate {
        LineTemplate { since, ..self }
    }

    const fn until(self, until: PinotRelease) -> LineTemplate {
        LineTemplate { until, ..self }
    }

    const fn with(self, facts: &'static [(&'static str, &'static str)]) -> LineTemplate {
        LineTemplate { facts, ..self }
    }

    /// Whether this release logs it.
    pub(super) fn is_of(&self, release: PinotRelease) -> bool {
        self.since <= release && release < self.until
    }
}

/// The kinds of events that a log of this release has whenever they happen.
pub(super) fn logged_kinds(templates: &[LineTemplate], release: PinotRelease) -> Vec<&'static str> {
    let kinds = templates.iter().filter(|template| template.is_of(release)).map(|template| template.kind);
    let mut kinds: Vec<&str> =
        kinds.filter(|kind| !AUXILIARY.contains(kind) && !OPTIONAL.contains(kind)).collect();
    if kinds.contains(&SCHEDULED) {
        kinds.push("transition-created");
    }
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

const NEW_SESSION: &str = "Handle new session, instance: {_}, type: PARTICIPANT, session id: {session}.";

/// What a server logs.
pub(super) const SERVER: &[LineTemplate] = &[
    line(SESSION, NEW_SESSION),
    line(LATENCY, "The latency of message {message} is {latency_ms} ms"),
    line(SCHEDULED, "Scheduling message {message}: {table}:{segment}, {from}->{to}"),
    line(
        "transition-started",
        "handling message: {message} transit {table}.{segment}|{_} from:{from} to:{to}, relayedFrom: {_}",
    ),
    line(
        "transition-finished",
        "Message: {message} (parent: {_}) handling task for {table}:{segment} completed at: {_}, \
         results: {result}. FrameworkTime: {framework_ms} ms; HandlerTime: {took_ms} ms",
    ),
    line(
        "consume-start",
        "SegmentDataManager_{segment}] [{_*}] Starting consumption loop start offset {start}, \
         finalOffset {final}",
    ),
    line(
        FETCH,
        "[KafkaConsumer] [{segment}] [Consumer clientId={_*}] Seeking to offset {reached} for partition {_}",
    )
    .until((1, 0)),
    line(
        CONSUMED,
        "SegmentDataManager_{segment}] [{_*}] Consumed {rows} events from (rate:{_}/s), \
         currentOffset={reached}, {_}",
    ),
    line(
        "consume-end",
        "SegmentDataManager_{segment}] [{_*}] Stopping consumption due to {reason*} - \
         numRowsConsumed={consumed} numRowsIndexed={rows}",
    ),
    line(
        "consume-end",
        "SegmentDataManager_{segment}] [{_*}] Stopping consumption due to {reason*} nRows={limit} \
         numRowsIndexed={rows}, numRowsConsumed={consumed}",
    ),
    line("consume-end", "SegmentDataManager_{segment}] [{_*}] Caught up to offset {end}"),
    line(
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Downloading to replace segment while in state {state}",
    ),
    line(
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Could not catch up to offset (current = {position}). \
         Downloading to replace",
    ),
    line(
        "position-ahead",
        "SegmentDataManager_{segment}] [{_*}] Current offset {position} ahead of the offset in zk {end}. \
         Downloading to replace",
    ),
    line(
        "sealing",
        "SegmentDataManager_{segment}] [{_*}] Current offset {position} matches offset in zk {end}. \
         Replacing segment",
    ),
    line("sealing", "Replacing CONSUMING segment: {segment} with the one sealed locally").since((1, 0)),
    line("downloading", "Downloading and replacing CONSUMING segment: {segment} with committed one")
        .since((1, 0)),
    line("downloading", "Downloading and loading segment: {segment}").since((1, 0)),
    line("downloading", "Download segment: {segment} of table: {table} as it doesn't exist"),
    line("downloaded", "Downloaded and loaded segment: {segment} with CRC: {crc} on tier").since((1, 0)),
    line("downloaded", "Downloaded and loaded segment: {segment} of table: {table} with crc: {crc}"),
    line("downloaded", "[{table}-RealtimeTableDataManager] [{_*}] Replacing LLC Segment {segment}")
        .until((1, 0)),
    line("crc-same", "Segment: {segment} has CRC: {crc} same as before, not replacing it").since((1, 0)),
    line("crc-changed", "segment:{segment} of table: {table} as crc changes from: {old_crc} to: {crc}"),
    line("crc-changed", "segment: {segment} of table: {table} as crc changes from: {old_crc} to: {crc}"),
    line("crc-changed", "Segment: {segment} of table: {table} has crc change from: {old_crc} to: {crc}"),
    line("crc-changed", "Segment: {segment} has CRC changed from: {old_crc} to: {crc}").since((1, 0)),
    line("registering", "Adding segment: {segment}, current primary key count: {keys}"),
    line("registered", "Finished adding segment: {segment}, current primary key count: {keys}"),
    line(
        "registered",
        "Finished adding segment: {segment} in {took_ms}ms, current primary key count: {keys}",
    )
    .since((1, 0)),
    line(REPLACING, "Replacing {old} segment: {segment}, current primary key count: {keys}"),
    line("replaced", "Finished replacing segment: {segment}, current primary key count: {keys}"),
    line(
        "replaced",
        "Finished replacing segment: {segment} in {took_ms}ms, current primary key count: {keys}",
    )
    .since((1, 0)),
    line("keys-not-replaced", "Found {keys} primary keys not replaced when replacing segment: {segment}"),
    line("keys-not-replaced", "Found {keys} primary keys not replaced for segment: {segment}. {_*}state")
        .since((1, 5)),
    line("keys-not-replaced", "Found {keys} primary keys not replaced for segment: {segment}").since((1, 5)),
    // The same in mode PROTECTED: the metadata is reset to its state before the segment.
    line(
        "keys-reverting",
        "Inconsistencies noticed for the segment: {segment} across {_}, reverting the metadata",
    )
    .since((1, 5)),
    line("keys-reverted", "Successfully resolved inconsistency for segment: {segment} across servers")
        .since((1, 5)),
    line("removing", "Removing {old} segment: {segment}, current primary key count: {keys}"),
    line("removing", "Removing {removed} primary keys for segment: {segment}").since((1, 0)),
    line("snapshot", "[{table}-{partition}-{_}] [{_*}] Taking snapshot for {registered_segments} segments")
        .since((1, 1)),
    line("gate", "Find unloaded segment: {unloaded}, table: {table}, expected: {expected}, actual: {actual}")
        .with(&[ALL_LOADED]),
    line("gate", "All segments loaded for table: {table}").with(&[ALL_LOADED, ("released_by", "predicate")]),
    line("skipped", "Segment: {segment} is already {state}, skipping adding it as CONSUMING segment")
        .since((1, 3)),
    line("skipped", "Segment: {segment} ({state}) already exists, skipping adding it as CONSUMING segment")
        .since((1, 3)),
    // The coordinator of tables whose segments are consumed in order.
    line(
        "gate-signal",
        "Registering segment: {segment} with sequence number: {seq}. \
         maxSequenceNumberRegistered: {highest}",
    )
    .since((1, 4)),
    line(
        "gate",
        "Fetched previous segment sequence number: {subject.seq} to current segment: {segment} in: {_}ms",
    )
    .since((1, 4))
    .with(&[("name", PREVIOUS_REGISTERED)]),
    line(
        "gate",
        "Waited on previous segment with sequence number: {subject.seq} for: {waited_ms}ms. Refreshing the \
         previous segment sequence number for current segment: {segment}",
    )
    .since((1, 4))
    .with(&[("name", PREVIOUS_REGISTERED)]),
    line(SEMAPHORE_ACQUIRED, "SegmentDataManager_{segment}] [{_*}] Acquired consumer semaphore")
        .since((1, 0)),
    line("semaphore-released", "SegmentDataManager_{segment}] [{_*}] Releasing consumer semaphore")
        .since((1, 0)),
    line("semaphore-wanted", "Failed to acquire consumer semaphore for segment: {segment} in: {waited_ms}ms")
        .since((1, 4)),
];

/// What a controller logs of the commit of segments.
pub(super) const CONTROLLER: &[LineTemplate] = &[
    line(SESSION, NEW_SESSION),
    line(
        "segment-reported",
        "[SegmentCompletionFSM_{segment}] [{_*}] Processing segmentConsumed({server}, {offset})",
    ),
    line(
        "commit-winner",
        "[SegmentCompletionFSM_{segment}] [{_*}] {_}:Committer notified winner instance={server} \
         offset={offset}",
    ),
    line(
        "commit-winner",
        "[SegmentCompletionFSM_{segment}] [{_*}] {_}:Committer decided winner={server} offset={offset}",
    ),
    line(
        "segment-created",
        "Creating segment ZK metadata for new CONSUMING segment: {segment} with start offset: {start} and \
         creation time: {created_ms}",
    ),
    line("segment-committing", "Committing segment {segment} at offset {offset} winner {server}"),
    line("segment-committed", "Committed segment {segment} at offset {offset} winner {server}"),
    answer(
        "[SegmentCompletionFSM_{segment}] [{_*}] {_}:HOLD for instance={server} offset={offset}",
        &[("answer", "hold")],
    ),
    answer(
        "[SegmentCompletionFSM_{segment}] [{_*}] {_}:CATCHUP for instance={server} offset={offset}",
        &[("answer", "catch-up")],
    ),
    answer(
        "[SegmentCompletionFSM_{segment}] [{_*}] {_}:COMMIT for instance={server} offset={offset}",
        &[("answer", "commit")],
    ),
    answer(
        "[SegmentCompletionFSM_{segment}] [{_*}] {_}:KEEP for instance={server} offset={offset}",
        &[("answer", "keep")],
    ),
    answer(
        "[SegmentCompletionFSM_{segment}] [{_*}] {_}:DISCARD for instance={server} offset={offset}",
        &[("answer", "discard")],
    ),
];

/// What the controller tells a server that has reported its offset.
const fn answer(text: &'static str, facts: &'static [(&'static str, &'static str)]) -> LineTemplate {
    line("segment-answered", text).with(facts)
}
