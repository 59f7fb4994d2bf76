//! A small run, made by hand: two captures, three replicas, a copy that was replaced and read again.

use dissent_core::history::event::{CaptureReason, Event, Op, OpOutcome, Phase, TimedEvent};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{
    Base, CopyState, Cover, CurrentRead, CurrentRow, Entry, Observed, Read, ReadValidity, Row,
};
use dissent_core::history::run_record::{FORMAT, MemoryRecord, RunMeta};
use dissent_core::history::schema::Value;
use dissent_core::history::time::Nanos;
use serde_json::json;

pub(crate) const REPLICAS: [&str; 3] = ["a", "b", "../c d"];

pub(crate) fn meta() -> RunMeta {
    let columns = json!([
        {"name": "x", "type": "long", "merge": "overwrite"},
        {"name": "tags", "type": "string-list", "merge": "union"},
        {"name": "ops", "type": "long-list", "merge": "append", "role": "ops"},
        {"name": "note", "type": "string", "merge": "ignore", "optional": true},
    ]);
    let meta = json!({
        "format": FORMAT, "seed": 7, "target": "sim-segments", "target_version": "1", "simulated": true,
        "settings": {"guard": "startup-latch"}, "roster": REPLICAS, "partitions": 2,
        "workload": {
            "hunts": "nothing", "partitions": 2, "comparison": "ts", "rate": 100, "load": "1s",
            "segment-rows": 10, "provenance": "full", "column": [],
            "keys": {"live": 3, "skew": "zipf", "retire-after-segments": 3, "retire-after-updates": 9},
        },
        "nemesis": {"hunts": "nothing"},
        "steps": [{
            "id": "hold", "kind": {"hold-message": "offline-to-consuming"}, "replica": "b",
            "partition": 0, "begin": {"at": "5ms"}, "until": "others-committed",
        }],
        "schema": {
            "table": "acct", "key": "id", "comparison": "ts", "op": "op",
            "columns": columns, "provenance": "full",
        },
        "left_out": [], "calibration_ops": 4, "frozen_floor": 5, "started": "2000-01-01T00:00:00Z",
    });
    serde_json::from_value(meta).expect("meta")
}

fn cols(off: u64) -> Vec<Value> {
    let tags = match off % 3 {
        0 => Value::Null,
        1 => Value::Longs([].into()),
        _ => Value::Strings([format!("tag \"{off}\"\n").into(), "ü".into()].into()),
    };
    let off = off.cast_signed();
    vec![
        Value::Long(i64::MIN + off),
        tags,
        Value::Longs([off, i64::MAX].into()),
        Value::String("null".into()),
    ]
}

fn key(off: u64) -> String {
    format!("k{}", off % 3)
}

fn entry(off: u64) -> Entry {
    let tombstone = off == 7;
    let cols = if tombstone { vec![Value::Null; 4] } else { cols(off) };
    Entry { off, key: key(off).into(), op: u64::MAX - off, cmp: -off.cast_signed(), tombstone, cols }
}

fn row(off: u64) -> Row {
    let doc = off as u32 % 5;
    Row { off, key: key(off).into(), op: u64::MAX - off, cmp: -off.cast_signed(), cols: cols(off), doc }
}

fn cover(partition: u32, range: std::ops::Range<u64>, copy: u64) -> Cover {
    Cover {
        segment: format!("acct__{partition}__{}", range.start / 10),
        partition,
        seq: (range.start / 10) as u32,
        start: range.start,
        end: range.end,
        state: CopyState::Consuming,
        registered: Observed::Known(true),
        copy,
        rows: range.end - range.start,
        position: None,
        checksum: None,
    }
}

/// Builds a record event by event.
struct Sampler {
    record: MemoryRecord,
    reads: u64,
}

impl Sampler {
    fn event(&mut self, event: Event) {
        let t = Nanos(self.record.events.len() as u64 * 100_000_000);
        self.record.events.push(TimedEvent { t, event });
    }

    fn read(&mut self, capture: u32, replica: &str, cover: Cover, offs: &[u64], soundness: ReadValidity) {
        self.reads += 1;
        let (id, end_after, from) = (self.reads, cover.end, cover.start);
        let rows = offs.iter().map(|off| (id, row(*off).into()));
        self.record.rows[cover.partition as usize].extend(rows);
        self.event(Event::from(Read {
            id,
            capture,
            replica: replica.to_owned(),
            incarnation: 1,
            before: cover,
            end_after,
            position_after: None,
            rows_of: None,
            from,
            rows: offs.len() as u64,
            base: Base::Nothing,
            soundness,
        }));
    }

    fn current(&mut self, capture: u32, replica: &str, partition: u32, keys: &[&str]) {
        self.reads += 1;
        let id = self.reads;
        let flags = keys.iter().map(|key| (id, CurrentRow { key: (*key).into(), offs: vec![1, id] }));
        self.record.current_rows[partition as usize].extend(flags);
        let covers = vec![cover(partition, 0..10, 1)];
        self.event(Event::from(CurrentRead {
            id,
            capture,
            replica: replica.to_owned(),
            partition,
            incarnation: 1,
            before: covers.clone(),
            after: covers,
            keys: keys.len() as u64,
            base: if capture == 0 { Base::Nothing } else { Base::Read(id - 1) },
            soundness: ReadValidity::Sound,
        }));
    }

    fn capture(&mut self, capture: u32, parts: impl FnOnce(&mut Self)) {
        self.event(Event::CaptureBegin { capture, reason: CaptureReason::Periodic });
        parts(self);
        self.event(Event::CaptureEnd { capture });
    }
}

/// The run. Its lists have the order that [`dissent_core::history::run_record::RunRecord`] promises.
pub(crate) fn record() -> MemoryRecord {
    let log = vec![(0..20).map(entry).collect(), vec![entry(3), entry(9)]];
    let (rows, currents) = (vec![Vec::new(); 2], vec![Vec::new(); 2]);
    let record = MemoryRecord { meta: meta(), events: Vec::new(), log, rows, current_rows: currents };
    let mut run = Sampler { record, reads: 0 };
    run.event(Event::Phase { phase: Phase::SetUp });
    let op =
        Op { id: 1, partition: 0, key: "k0".into(), cmp: 5, cols: cols(2), delete: false, due: Nanos(3) };
    run.event(Event::Invoke { op });
    run.event(Event::Complete { op: 1, outcome: OpOutcome::Unknown, off: None });
    run.event(Event::Boundary);
    run.capture(0, |run| {
        for replica in REPLICAS {
            run.read(0, replica, cover(0, 0..10, 1), &[0, 1, 2, 3, 5, 8], ReadValidity::Sound);
            run.read(0, replica, cover(0, 10..20, 2), &[10, 11], ReadValidity::Sound);
            run.read(0, replica, cover(1, 0..10, 3), &[], ReadValidity::Failed);
            run.current(0, replica, 0, &["k0", "k2"]);
        }
    });
    run.event(Event::Phase { phase: Phase::Capture });
    run.capture(1, |run| {
        // The copy is replaced while it is read, and then read again: the same offsets twice in one capture.
        run.read(1, "b", cover(0, 0..10, 1), &[0, 1, 2], ReadValidity::CopyChanged);
        run.read(1, "b", cover(0, 0..10, 4), &[0, 1, 1, 2, 3], ReadValidity::Sound);
        run.read(1, "b", cover(0, 10..20, 2), &[12, 13], ReadValidity::Sound);
        run.current(1, "b", 0, &[]);
        run.current(1, "b", 1, &["k0"]);
        run.current(1, "b", 1, &["k0", "k1"]);
        run.read(1, "a", cover(1, 0..10, 3), &[3, 9], ReadValidity::Sound);
    });
    let detail = json!({"gate": "open", "n": 18_446_744_073_709_551_615_u64, "inner": [null, 1.5]});
    run.event(Event::from(LifecycleRecord {
        replica: "a".to_owned(),
        incarnation: 1,
        seq: 2,
        node_ms: 3,
        segment: None,
        kind: "gate".to_owned(),
        detail,
    }));
    run.event(Event::Phase { phase: Phase::Done });
    let mut record = run.record;
    for rows in &mut record.rows {
        rows.sort_by_key(|(read, row)| (row.off, *read));
    }
    record
}
