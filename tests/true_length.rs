//! The incident of the seed at its true length: 84 minutes of virtual time, with its counts. The embedded
//! cluster runs it, the record of what it showed is judged, and the facts that its author found by hand
//! must come out.

use crate::support::sim;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{
    BreakStrength, Course, Divergence, Edge, FindingKind, GuardState, OrderingBreak, Pattern, RootCause,
    ShownCause, Side, VerdictOutcome,
};
use dissent_core::history::event::{CaptureReason, Event, Op, OpOutcome, TimedEvent};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{
    Base, CopyState, Cover, CurrentRead, CurrentRow, Entry, Observed, Read, ReadValidity, Row, Segment,
};
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::schema::{Column, Merge, Provenance, Role, Type, Value};
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use specimen::segments::{Config, Hold, Transition, World};
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000_000;
/// The moment called T+00:00: the others commit SEG_M. Its 12,000 rows came in the 26 minutes before.
const T0: u64 = 1_600;
const SEG_M: u32 = 1;
const SEG_M1: u32 = 2;
const VICTIM: &str = "server-1";

/// Seconds after T+00:00.
fn after(minutes: u64, seconds: u64) -> u64 {
    T0 + minutes * 60 + seconds
}

/// The cluster, and the record of what it shows.
struct Incident {
    world: World,
    record: MemoryRecord,
    next_op: u64,
    next_read: u64,
    /// By node: the next event to ask for.
    next_event: BTreeMap<String, u64>,
    /// By (replica, copy): how far it was read, and by which read.
    read_to: BTreeMap<(String, u64), (u64, u64)>,
    /// By replica: the version of the flags that were read last, and by which read.
    flags: BTreeMap<String, (u64, u64)>,
}

impl Incident {
    fn new() -> Incident {
        let columns = vec![
            specimen::Column {
                name: "merged_at".into(),
                ty: specimen::Type::Long,
                merge: specimen::Merge::Overwrite,
            },
            specimen::Column {
                name: "ops".into(),
                ty: specimen::Type::LongList,
                merge: specimen::Merge::Append,
            },
        ];
        let mut config = Config::new("EVENTS", columns, 1);
        (config.poll_ms, config.batch) = (1_000, 50_000);
        let mut meta: RunMeta =
            sim("partial-upsert", "late-transition", &[]).meta(Seed(1), None).expect("a run");
        meta.partitions = 1;
        meta.calibration_ops = 0;
        meta.schema.table = "EVENTS".to_owned();
        meta.schema.provenance = Provenance::Full;
        let column = |name: &str, ty, merge, role| Column { role, ..Column::data(name, ty, merge) };
        meta.schema.columns = vec![
            column("merged_at", Type::Long, Merge::Overwrite, Role::Data),
            column("ops", Type::LongList, Merge::Append, Role::Ops),
        ];
        let record = MemoryRecord {
            meta,
            events: Vec::new(),
            log: vec![Vec::new()],
            rows: vec![Vec::new()],
            current_rows: vec![Vec::new()],
        };
        Incident {
            world: World::new(config, 7).expect("a cluster"),
            record,
            next_op: 1,
            next_read: 1,
            next_event: BTreeMap::new(),
            read_to: BTreeMap::new(),
            flags: BTreeMap::new(),
        }
    }

    fn push(&mut self, event: Event) {
        self.record.events.push(TimedEvent { t: Nanos(self.world.now()), event });
    }

    /// Writes `count` partial updates evenly until `until` (seconds). Keys are used in turn, from `first`
    /// on.
    fn write(&mut self, count: u64, until: u64, (first, keys): (u64, u64)) {
        let (from, until) = (self.world.now(), until * SECOND);
        for n in 0..count {
            self.world.advance(from + (until - from) * n / count);
            let op = self.next_op;
            self.next_op += 1;
            let merged_at = if op.is_multiple_of(3) {
                Value::Null
            } else {
                Value::Long(1_770_570_000_000 + op.cast_signed())
            };
            let (key, cmp) = (format!("key-{}", first + n % keys), op.cast_signed());
            let cols = vec![merged_at, Value::Longs([op.cast_signed()].into())];
            let sent = Op {
                id: op,
                partition: 0,
                key: key.clone().into(),
                cmp,
                cols: cols.clone(),
                delete: false,
                due: Nanos(0),
            };
            self.push(Event::Invoke { op: sent });
            let entry = specimen::Entry {
                off: 0,
                key: key.as_str().into(),
                op,
                cmp,
                tombstone: false,
                cols: cols.iter().map(to_specimen).collect(),
            };
            let off = self.world.produce(0, entry).expect("an offset");
            self.push(Event::Complete { op, outcome: OpOutcome::Ok, off: Some(off) });
            self.record.log[0].push(Entry { off, key: key.into(), op, cmp, tombstone: false, cols });
        }
        self.world.advance(until);
        self.look();
    }

    /// Lets time pass, in seconds.
    fn wait(&mut self, until: u64) {
        self.world.advance(until * SECOND);
        self.look();
    }

    fn hold(&mut self, server: &str, seq: u32, transition: Transition) {
        let id = format!("{server} {seq} {}", stored_name(&transition));
        self.world
            .hold(Hold { id, server: server.to_owned(), partition: 0, seq, transition })
            .expect("a hold");
    }

    fn release(&mut self, server: &str, seq: u32, transition: Transition) {
        self.world.release(&format!("{server} {seq} {}", stored_name(&transition)));
    }

    /// Records what nodes logged and what the segment table shows.
    fn look(&mut self) {
        for segment in self.world.segments() {
            let specimen::segments::Segment { name, partition, seq, start, end, crc, replicas } = segment;
            self.push(Event::Segment {
                segment: Segment { name, partition, seq, start, end, crc, replicas },
            });
        }
        let nodes: Vec<String> =
            self.record.meta.roster.iter().cloned().chain(["controller".to_owned()]).collect();
        for node in nodes {
            let since = self.next_event.get(&node).copied().unwrap_or(0);
            let events = match node.as_str() {
                "controller" => Some(self.world.controller_events(since)),
                server => self.world.events(server, since),
            };
            let records: Vec<LifecycleRecord> = events.unwrap_or_default().iter().map(lifecycle).collect();
            if let Some(last) = records.last() {
                self.next_event.insert(node, last.seq + 1);
            }
            records.into_iter().for_each(|record| self.push(Event::from(record)));
        }
    }

    fn capture(&mut self, capture: u32) {
        self.push(Event::CaptureBegin { capture, reason: CaptureReason::Periodic });
        for replica in self.record.meta.roster.clone() {
            let coverage = self.world.coverage(&replica).expect("it runs");
            let covers: Vec<Cover> = coverage.covers.into_iter().map(cover).collect();
            for before in &covers {
                self.read(capture, &replica, coverage.incarnation, before.clone());
            }
            self.read_flags(capture, &replica, covers);
        }
        self.push(Event::CaptureEnd { capture });
    }

    fn read(&mut self, capture: u32, replica: &str, incarnation: u64, before: Cover) {
        let known = self.read_to.get(&(replica.to_owned(), before.copy)).copied();
        let from = known.map_or(before.start, |(to, _)| to);
        let id = self.next_read;
        self.next_read += 1;
        let rows = self.world.rows(replica, &before.segment, from, before.end).expect("rows");
        let defaults = self.world.defaults();
        let shown: Vec<(u64, std::sync::Arc<Row>)> = rows
            .map(|(doc, row)| {
                let doc = doc as u32;
                let cols = row.shown(defaults).map(from_specimen).collect();
                (
                    id,
                    Row {
                        off: row.off,
                        key: row.key.to_string().into(),
                        op: row.op,
                        cmp: row.cmp,
                        cols,
                        doc,
                    }
                    .into(),
                )
            })
            .collect();
        let count = shown.len() as u64;
        self.record.rows[0].extend(shown);
        self.read_to.insert((replica.to_owned(), before.copy), (before.end, id));
        self.push(Event::from(Read {
            id,
            capture,
            replica: replica.to_owned(),
            incarnation,
            end_after: before.end,
            position_after: None,
            rows_of: None,
            from,
            rows: count,
            base: known.map_or(Base::Nothing, |(_, read)| Base::Read(read)),
            soundness: ReadValidity::Sound,
            before,
        }));
    }

    fn read_flags(&mut self, capture: u32, replica: &str, covers: Vec<Cover>) {
        let known = self.flags.get(replica).copied();
        let (version, incarnation, flags) =
            self.world.current(replica, 0, known.map_or(0, |(version, _)| version)).expect("flags");
        let id = self.next_read;
        self.next_read += 1;
        let keys = flags.len() as u64;
        let rows =
            flags.into_iter().map(|it| (id, CurrentRow { key: it.key.to_string().into(), offs: it.offs }));
        self.record.current_rows[0].extend(rows);
        self.flags.insert(replica.to_owned(), (version, id));
        self.push(Event::from(CurrentRead {
            id,
            capture,
            replica: replica.to_owned(),
            partition: 0,
            incarnation,
            before: covers.clone(),
            after: covers,
            keys,
            base: known.map_or(Base::Nothing, |(_, read)| Base::Read(read)),
            soundness: ReadValidity::Sound,
        }));
    }

    fn finish(mut self) -> MemoryRecord {
        self.record.rows[0].sort_by_key(|(read, row)| (row.off, *read));
        self.record.current_rows[0].sort_by(|a, b| (a.0, &a.1.key).cmp(&(b.0, &b.1.key)));
        self.record
    }
}

fn to_specimen(value: &Value) -> specimen::Value {
    match value {
        Value::Long(long) => specimen::Value::Long(*long),
        Value::Longs(longs) => specimen::Value::Longs(longs.clone()),
        _ => specimen::Value::Null,
    }
}

fn from_specimen(value: &specimen::Value) -> Value {
    match value {
        specimen::Value::Long(long) => Value::Long(*long),
        specimen::Value::Longs(longs) => Value::Longs(longs.to_vec().into()),
        _ => Value::Null,
    }
}

fn lifecycle(event: &specimen::segments::Event) -> LifecycleRecord {
    LifecycleRecord {
        replica: event.replica.clone(),
        incarnation: event.incarnation,
        seq: event.seq,
        node_ms: event.node_ms,
        segment: event.segment.clone(),
        kind: stored_name(&event.kind),
        detail: event.detail.clone(),
    }
}

fn cover(cover: specimen::segments::Cover) -> Cover {
    Cover {
        segment: cover.segment.to_string(),
        partition: cover.partition,
        seq: cover.seq,
        start: cover.start,
        end: cover.end,
        state: match cover.state {
            specimen::segments::CopyState::Consuming => CopyState::Consuming,
            specimen::segments::CopyState::CommittedLocal => CopyState::CommittedLocal,
            specimen::segments::CopyState::Downloaded => CopyState::Downloaded,
        },
        registered: Observed::Known(cover.registered.known),
        copy: cover.copy,
        rows: cover.rows,
        position: None,
        checksum: None,
    }
}

/// Runs the incident, to its end a day later if `spread`.
fn incident(spread: bool) -> MemoryRecord {
    use Transition::{ConsumingToOnline, OfflineToConsuming};
    let mut it = Incident::new();
    let others = ["server-0", "server-2", "server-3"];
    it.hold(VICTIM, SEG_M, OfflineToConsuming);
    it.hold(VICTIM, SEG_M, ConsumingToOnline);
    it.hold(VICTIM, SEG_M1, OfflineToConsuming);
    others.iter().for_each(|server| it.hold(server, SEG_M1, OfflineToConsuming));
    it.write(4_000, 30, (0, 4_000));
    it.world.force_commit();
    it.write(12_000, T0, (2_000, 6_000));
    it.world.force_commit();
    it.write(7_000, after(1, 0), (0, 9_000));
    others.iter().for_each(|server| it.release(server, SEG_M1, OfflineToConsuming));
    it.write(25_000, after(55, 45), (0, 9_000));
    it.release(VICTIM, SEG_M, OfflineToConsuming);
    it.wait(after(56, 50));
    it.release(VICTIM, SEG_M1, OfflineToConsuming);
    it.wait(after(83, 42));
    it.release(VICTIM, SEG_M, ConsumingToOnline);
    it.wait(after(84, 0));
    it.capture(0);
    if spread {
        it.world.commit_winner(0, Some(VICTIM)).expect("a winner");
        it.world.force_commit();
        it.wait(after(24 * 60, 0));
        it.capture(1);
    }
    it.finish()
}

/// The one divergence of raw rows, and its break.
fn divergence(record: &MemoryRecord) -> Divergence {
    let verdict = judge(record);
    assert_eq!(verdict.outcome, VerdictOutcome::Fail);
    let mut found = verdict.findings.into_iter().filter_map(|finding| match finding.kind {
        FindingKind::Divergence(it) if !it.flags => Some(*it),
        _ => None,
    });
    let first = found.next().expect("a divergence");
    assert_eq!(found.next(), None);
    first
}

fn break_of(it: &Divergence) -> &OrderingBreak {
    match &it.explanation.as_ref().expect("an explanation").cause {
        ShownCause::OrderingBreak(found) => found,
        other => panic!("{other:?}"),
    }
}

/// A time in seconds, rounded down.
fn seconds(ms: u64) -> u64 {
    ms / 1_000
}

#[test]
fn the_incident_of_the_seed_is_explained_at_its_true_length() {
    let it = divergence(&incident(false));
    let found = break_of(&it);
    let explanation = it.explanation.as_ref().expect("an explanation");
    let (peers, three) = (["server-0", "server-2", "server-3"], 3);
    // Which node, keys, columns, partition, segment; what is missing, and by which sign.
    assert_eq!(
        (it.last.pattern, it.last.side, it.replicas.as_slice()),
        (Pattern::OneDiffers, Side::Minority, &[VICTIM.to_owned()][..])
    );
    assert_eq!((it.partition, it.columns.join(" ").as_str()), (0, "merged_at ops"));
    assert_eq!(it.keys.len(), 6_000, "every key of SEG_M was written again in SEG_M1");
    assert_eq!(it.segments, ["EVENTS__0__2"]);
    let missing = it.missing.as_ref().expect("missing state");
    assert_eq!(
        (missing.class, missing.segments.as_slice()),
        (RootCause::WholeSegment, &["EVENTS__0__1".to_owned()][..])
    );
    assert!(it.shows_defaults && it.shows_stale, "keys born in SEG_M, and older ones");
    // The break, and what it predicts.
    assert_eq!(
        (found.dependencies.join(" ").as_str(), found.dependent.as_str()),
        ("EVENTS__0__1", "EVENTS__0__2")
    );
    assert_eq!(found.strength, BreakStrength::Ordered);
    assert!(found.prediction.is_exact() && found.prediction.roots == 6_000, "{:?}", found.prediction);
    assert_eq!(found.witnesses, peers);
    let visible = found.visible.as_ref().expect("SEG_M was registered");
    assert!((after(56, 50)..=after(56, 52)).contains(&seconds(found.began.node_ms)), "{:?}", found.began);
    assert!((after(83, 42)..=after(83, 45)).contains(&seconds(visible.node_ms)), "{visible:?}");
    assert_eq!(found.late_by_ms.map(|ms| ms / 60_000), Some(26), "about 27 minutes");
    // What led to it.
    let setup = found.setup.as_ref().expect("a setup");
    assert_eq!((setup.transition.as_str(), setup.edge), ("offline-to-consuming", Edge::CreatedToStarted));
    assert_eq!(
        seconds(setup.took_ms) / 60,
        (26 * 60 + 10) / 60 + 55,
        "since SEG_M was opened, before T+00:00"
    );
    assert_eq!(setup.peers_ms.len(), three);
    assert!(setup.peers_ms.values().all(|ms| *ms < 5_000), "{:?}", setup.peers_ms);
    assert_eq!(setup.outcome.as_deref(), Some("skipped: already completed, skipping"));
    let snapshot = setup.snapshot.as_ref().expect("counts");
    assert!(snapshot.here == 1 && snapshot.peers.values().all(|n| *n == 2), "{snapshot:?}");
    let catch_up = setup.catch_up.as_ref().expect("batches");
    assert!(
        catch_up.here == 32_000 && catch_up.peers.values().all(|n| (7_000..7_100).contains(n)),
        "{catch_up:?}"
    );
    // The guard.
    let guard = &explanation.guard;
    assert_eq!((guard.state, guard.enforced_scope.len()), (GuardState::NotEvaluated, 0));
    assert_eq!(guard.evaluated_ms.map(seconds), Some(0), "open since the server started");
    assert_eq!(guard.required_scope, ["partition", "segment"]);
    assert_eq!(explanation.timelines.len(), 2);
}

#[test]
fn the_wrong_copy_wins_at_an_equal_offset_and_replaces_the_right_ones() {
    let it = divergence(&incident(true));
    assert_eq!((it.last.pattern, it.last.side, it.course), (Pattern::Unanimous, Side::All, Course::Spread));
    let spread = it.spread.as_ref().expect("a spread");
    let [commit] = &spread.commits[..] else { panic!("{:?}", spread.commits) };
    assert_eq!((commit.winner.as_deref(), commit.wrong), (Some(VICTIM), Some(true)));
    assert!(
        commit.at_equal_offset.len() > 1 && commit.at_equal_offset.contains(&VICTIM.to_owned()),
        "{commit:?}"
    );
    let replaced: Vec<&str> = spread.replacements.iter().map(|it| it.replica.as_str()).collect();
    assert_eq!(replaced, ["server-0", "server-2", "server-3"]);
    assert!(
        spread.replacements.iter().all(|it| (it.wrong_before, it.wrong_after) == (Some(false), Some(true)))
    );
    assert!(spread.replacements.iter().all(|it| it.checksums.as_ref().is_some_and(|(own, new)| own != new)));
    assert_eq!(spread.last_right_gone.as_ref().map(|it| it.replicas.len()), Some(3));
    assert!(break_of(&it).prediction.is_exact());
}
