//! From a case's lines to evidence. See `README.md` beside this file for the language.

use crate::check::naive;
use dissent::config::nemesis::{Ending, Nemesis};
use dissent::config::workload::{Keys, Skew, Workload};
use dissent::plan::schedule::{Condition, Fault, FaultKind, Step, Transition};
use dissent::record::event::{CaptureReason, Event, Op, Outcome, Stamped};
use dissent::record::evidence::{Evidence, FORMAT, Facts};
use dissent::record::row::{
    CopyState, Cover, Current, CurrentRead, Entry, Known, Nanos, Read, Row, Segment, Soundness,
};
use dissent::schema::{Column, Merge, Provenance, Role, Schema, Type, Value};
use dissent::seed::Seed;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

const SECOND: u64 = 1_000_000_000;

/// A parsed case.
pub(crate) struct Case {
    pub(crate) evidence: Evidence,
    clock: u64,
    /// The partition that lines speak of.
    partition: u32,
    capture: Option<u32>,
    captures: u32,
    next_read: u64,
    next_op: u64,
    incarnations: BTreeMap<String, u64>,
    /// What each replica was last seen to hold, by (replica, partition, seq).
    covers: BTreeMap<(String, u32, u32), Cover>,
    /// Replicas whose flags were read in this capture, or are not to be.
    flagged: BTreeSet<String>,
}

/// Parses the part above `----`.
pub(crate) fn case(text: &str) -> Case {
    let history = text.split("\n----\n").next().expect("a history");
    let mut case = Case {
        evidence: Evidence {
            facts: facts(),
            events: Vec::new(),
            log: vec![Vec::new()],
            rows: vec![Vec::new()],
            currents: vec![Vec::new()],
        },
        clock: 0,
        partition: 0,
        capture: None,
        captures: 0,
        next_read: 1,
        next_op: 1,
        incarnations: BTreeMap::new(),
        covers: BTreeMap::new(),
        flagged: BTreeSet::new(),
    };
    case.columns("x=overwrite");
    for line in history.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        case.clock += SECOND;
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        case.line(verb, rest.trim());
    }
    case.end_capture();
    case.evidence.rows.iter_mut().for_each(|rows| rows.sort_by_key(|(read, row)| (row.off, *read)));
    case.evidence.events.sort_by_key(|stamped| stamped.t);
    case
}

impl Case {
    fn line(&mut self, verb: &str, rest: &str) {
        let mut words = rest.split_whitespace();
        let facts = &mut self.evidence.facts;
        match verb {
            "columns" => self.columns(rest),
            "provenance" => facts.schema.provenance = choice(rest),
            "roster" => facts.roster = words.map(str::to_owned).collect(),
            "workload" => facts.workload.name = rest.to_owned(),
            "calibrate" => facts.calibration_ops = number(rest),
            "floor" => facts.frozen_floor = Nanos(number(rest) * SECOND),
            "min-exposure" => facts.nemesis.min_exposure = number(rest),
            "require" => facts.nemesis.required.push(choice(rest)),
            "partition" => {
                self.partition = number(rest) as u32;
                facts.partitions = facts.partitions.max(self.partition + 1);
                let partitions = facts.partitions as usize;
                self.evidence.log.resize(partitions, Vec::new());
                self.evidence.rows.resize(partitions, Vec::new());
                self.evidence.currents.resize(partitions, Vec::new());
            }
            "at" => self.clock = number(rest) * SECOND,
            "segment" => self.segment(rest),
            "log" => self.log(rest),
            "ack" => self.ack(rest),
            "incarnation" => {
                let (replica, life) = rest.split_once(' ').expect("incarnation REPLICA N");
                self.incarnations.insert(replica.to_owned(), number(life));
                self.covers.retain(|(holder, ..), _| holder != replica);
            }
            "capture" => self.begin_capture(),
            "rows" => self.rows(rest),
            "flags" => self.flags(rest),
            "step" => self.step(rest),
            "begin" => self.begin(rest),
            "cure" => self.cure(rest),
            "samples" => self.samples(rest),
            "unreachable" => {
                self.push(Event::Unreachable { replica: rest.to_owned(), error: "timed out".to_owned() });
            }
            "settled" => self.push(Event::Settled { all: rest == "all", waited: Nanos(0) }),
            "interrupted" => self.push(Event::Interrupted { by: rest.to_owned() }),
            "trouble" => {
                let at = words.next().expect("trouble WHERE WHAT").to_owned();
                self.push(Event::Trouble { at, error: words.collect::<Vec<_>>().join(" ") });
            }
            verb => panic!("{verb} is no word of a case"),
        }
    }

    fn push(&mut self, event: Event) {
        self.evidence.events.push(Stamped { t: Nanos(self.clock), event });
    }

    fn columns(&mut self, rest: &str) {
        let schema = &mut self.evidence.facts.schema;
        schema.columns = rest.split_whitespace().map(column).collect();
        let told = [
            ("ops", Type::LongList, Merge::Append, Role::Ops),
            ("count", Type::Long, Merge::Increment, Role::OpCount),
            ("sum", Type::Long, Merge::Increment, Role::OpSum),
        ];
        schema.columns.extend(told.map(|(name, ty, merge, role)| Column {
            name: name.to_owned(),
            ty,
            merge,
            optional: false,
            role,
        }));
    }

    fn segment(&mut self, rest: &str) {
        let mut words = rest.split_whitespace();
        let name = words.next().expect("a segment").to_owned();
        let (start, end) = range(words.next().expect("a range"));
        let segment = Segment {
            seq: seq(&name),
            name,
            partition: self.partition,
            start,
            end,
            crc: None,
            replicas: words.map(str::to_owned).collect(),
        };
        self.push(Event::Segment { segment });
    }

    fn log(&mut self, rest: &str) {
        let mut words = rest.split_whitespace();
        let off = offset(words.next().expect("an offset"));
        let key = words.next().expect("a key").to_owned();
        let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
        let mut tombstone = false;
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => drop(fields.insert(name, value)),
                None => tombstone = word == "delete",
            }
        }
        let op = fields.get("op").map_or(self.next_op, |op| number(op));
        self.next_op = self.next_op.max(op + 1);
        let cmp = fields.get("cmp").map_or(op as i64 * 10, |cmp| number(cmp) as i64);
        let schema = &self.evidence.facts.schema;
        let given = |column: &Column| {
            fields.get(column.name.as_str()).map_or(Value::Null, |text| naive::value(column, text))
        };
        let mut cols: Vec<Value> = schema.columns.iter().map(given).collect();
        naive::provenance(schema, &[op]).into_iter().for_each(|(at, value)| cols[at] = value);
        let entry = Entry { off, key: key.clone(), op, cmp, tombstone, cols };
        self.acknowledge(op, &key, Some(off));
        self.evidence.log[self.partition as usize].push(entry);
    }

    fn ack(&mut self, rest: &str) {
        let fields = fields(rest);
        let off = rest.split_whitespace().find(|word| word.starts_with('@')).map(offset);
        self.acknowledge(number(fields["op"]), "lost", off);
    }

    fn acknowledge(&mut self, op: u64, key: &str, off: Option<u64>) {
        let known = |stamped: &Stamped| matches!(&stamped.event, Event::Invoke { op: it } if it.id == op);
        if self.evidence.events.iter().any(known) {
            return;
        }
        let due = Nanos(self.clock);
        let (partition, key) = (self.partition, key.to_owned());
        self.push(Event::Invoke { op: Op { id: op, partition, key, cmp: 0, cols: Vec::new(), due } });
        self.push(Event::Complete { op, outcome: Outcome::Ok, off });
    }

    fn begin_capture(&mut self) {
        self.end_capture();
        let capture = self.captures;
        self.captures += 1;
        self.capture = Some(capture);
        self.flagged.clear();
        self.push(Event::CaptureBegin { capture, reason: CaptureReason::Periodic });
    }

    /// Ends the capture; flags that no line spoke of are read, and are right.
    fn end_capture(&mut self) {
        let Some(capture) = self.capture else { return };
        for replica in self.evidence.facts.roster.clone() {
            let held = self
                .covers
                .keys()
                .any(|(holder, partition, _)| *holder == replica && *partition == self.partition);
            if held && !self.flagged.contains(&replica) {
                self.flags(&format!("{replica} = log"));
            }
        }
        self.push(Event::CaptureEnd { capture });
        self.capture = None;
    }

    fn rows(&mut self, rest: &str) {
        let (head, told) = rest.split_once("= log").map_or((rest, None), |(head, told)| (head, Some(told)));
        let mut words = head.split_whitespace();
        let replicas = words.next().expect("replicas").to_owned();
        for replica in replicas.split(',') {
            self.read(replica, words.clone(), told);
        }
    }

    fn read<'w>(&mut self, replica: &str, mut words: impl Iterator<Item = &'w str>, told: Option<&str>) {
        let segment = words.next().expect("a segment").to_owned();
        let (start, end) = range(words.next().expect("a range"));
        let mut cover = Cover {
            seq: seq(&segment),
            segment,
            partition: self.partition,
            start,
            end: end.expect("how far the replica covers"),
            state: CopyState::Consuming,
            registered: Known::Known(true),
            copy: 1,
            rows: 0,
        };
        let (mut from, mut end_after, mut soundness, mut torn) = (start, cover.end, Soundness::Sound, 0);
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("copy", copy) => cover.copy = number(copy),
                ("from", off) => from = number(off),
                ("after", off) => end_after = number(off),
                ("local", _) => cover.state = CopyState::CommittedLocal,
                ("downloaded", _) => cover.state = CopyState::Downloaded,
                ("hidden", _) => cover.registered = Known::Known(false),
                ("unobservable", _) => cover.registered = Known::Unobservable,
                ("torn", rows) => torn = number(rows),
                ("copy-changed", _) => soundness = Soundness::CopyChanged,
                ("truncated", _) => soundness = Soundness::Truncated,
                ("failed", _) => soundness = Soundness::Failed,
                (word, _) => panic!("{word} is no word of rows"),
            }
        }
        let rows = told.map_or_else(Vec::new, |told| self.told_rows(start, from..end_after, told));
        let id = self.next_read;
        self.next_read += 1;
        cover.rows = rows.len() as u64;
        if soundness == Soundness::Sound {
            let key = (replica.to_owned(), cover.partition, cover.seq);
            self.covers.insert(key, cover.clone());
        }
        self.push(Event::Read(Read {
            id,
            capture: self.capture.expect("a capture"),
            replica: replica.to_owned(),
            incarnation: self.incarnation(replica),
            before: cover,
            end_after,
            from,
            rows: rows.len() as u64 + torn,
            soundness,
        }));
        let rows = rows.into_iter().map(|row| (id, row));
        self.evidence.rows[self.partition as usize].extend(rows);
    }

    /// `[without SEGMENT|@OFF,..] [until @OFF] [but @OFF ..; ..]`
    fn told_rows(&self, start: u64, range: std::ops::Range<u64>, told: &str) -> Vec<Row> {
        let log = &self.evidence.log[self.partition as usize];
        let schema = &self.evidence.facts.schema;
        let (how, exceptions) = told.split_once(" but ").unwrap_or((told, ""));
        let mut how = how.split_whitespace();
        let (mut unseen, mut until) = (BTreeSet::new(), u64::MAX);
        while let Some(word) = how.next() {
            let argument = how.next().expect("an argument");
            match word {
                "without" => argument.split(',').for_each(|it| unseen.extend(self.offsets(it))),
                "until" => until = offset(argument),
                word => panic!("{word} is no word of log rows"),
            }
        }
        let entries = log.iter().filter(|entry| range.contains(&entry.off));
        let rows = entries.map(|entry| {
            let first = log.iter().find(|it| it.key == entry.key && it.off >= start);
            let is_late = first.is_none_or(|first| first.off >= until);
            naive::row(schema, log, entry, &|it| is_late || !unseen.contains(&it.off))
        });
        let mut rows: BTreeMap<u64, Row> = rows.map(|row| (row.off, row)).collect();
        for exception in exceptions.split(';').map(str::trim).filter(|it| !it.is_empty()) {
            except(schema, &mut rows, exception);
        }
        rows.into_values().collect()
    }

    fn offsets(&self, what: &str) -> Vec<u64> {
        if what.starts_with('@') {
            return vec![offset(what)];
        }
        let segment = self.evidence.events.iter().rev().find_map(|stamped| match &stamped.event {
            Event::Segment { segment } if segment.name == what => Some(segment),
            _ => None,
        });
        let segment = segment.expect("a segment");
        (segment.start..segment.end.expect("an ended segment")).collect()
    }

    fn flags(&mut self, rest: &str) {
        let (head, told) = rest.split_once("= log").map_or((rest, None), |(head, told)| (head, Some(told)));
        let mut words = head.split_whitespace();
        let replica = words.next().expect("a replica").to_owned();
        self.flagged.insert(replica.clone());
        let held = self
            .covers
            .iter()
            .filter(|((holder, partition, _), _)| *holder == replica && *partition == self.partition);
        let before: Vec<Cover> = held.map(|(_, cover)| cover.clone()).collect();
        let mut after = before.clone();
        let (mut only, mut torn, mut soundness) = (false, 0, Soundness::Sound);
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("none", _) => return,
                ("only", _) => only = true,
                ("torn", keys) => torn = number(keys),
                ("failed", _) => soundness = Soundness::Failed,
                ("truncated", _) => soundness = Soundness::Truncated,
                ("after", end) => after.last_mut().expect("a cover").end = number(end),
                ("copy-after", copy) => after.last_mut().expect("a cover").copy = number(copy),
                (word, _) => panic!("{word} is no word of flags"),
            }
        }
        let told = told.expect("flags REPLICA .. = log");
        let mut flags = if only { BTreeMap::new() } else { self.right_flags(&before) };
        let exceptions = told.trim().trim_start_matches("but ");
        for exception in exceptions.split(';').map(str::trim).filter(|it| !it.is_empty()) {
            let (key, offs) = exception.split_once('=').expect("KEY=OFF,..");
            let offs = offs.split(',').filter(|off| *off != "-").map(number).collect();
            flags.insert(key.to_owned(), offs);
        }
        let id = self.next_read;
        self.next_read += 1;
        self.push(Event::CurrentRead(CurrentRead {
            id,
            capture: self.capture.expect("a capture"),
            incarnation: self.incarnation(&replica),
            replica,
            partition: self.partition,
            before,
            after,
            keys: flags.len() as u64 + torn,
            soundness,
        }));
        let currents = flags.into_iter().map(|(key, offs)| (id, Current { key, offs }));
        self.evidence.currents[self.partition as usize].extend(currents);
    }

    /// The last accepted entry of each key that these covers show.
    fn right_flags(&self, covers: &[Cover]) -> BTreeMap<String, Vec<u64>> {
        let log = &self.evidence.log[self.partition as usize];
        let shown = |off: u64| {
            let visible = covers.iter().filter(|cover| cover.registered != Known::Known(false));
            visible.into_iter().any(|cover| cover.start <= off && off < cover.end)
        };
        let keys: BTreeSet<&String> = log.iter().map(|entry| &entry.key).collect();
        let last = keys.into_iter().filter_map(|key| {
            let accepted = naive::accepted(log, key, u64::MAX);
            let last = accepted.into_iter().rev().find(|entry| shown(entry.off))?;
            Some((key.clone(), if last.tombstone { Vec::new() } else { vec![last.off] }))
        });
        last.collect()
    }

    fn incarnation(&self, replica: &str) -> u64 {
        self.incarnations.get(replica).copied().unwrap_or(1)
    }

    /// `ID hold-consume|hold-online|restart REPLICA [SEGMENT]`
    fn step(&mut self, rest: &str) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let kind = match words[1] {
            "hold-consume" => FaultKind::HoldMessage(Transition::OfflineToConsuming),
            "hold-online" => FaultKind::HoldMessage(Transition::ConsumingToOnline),
            "restart" => FaultKind::Restart,
            kind => panic!("{kind} is no fault"),
        };
        self.evidence.facts.steps.push(Step {
            id: words[0].to_owned(),
            kind,
            replica: words[2].to_owned(),
            partition: words.get(3).map(|_| self.partition),
            begin: Condition::At(Nanos(words.get(3).map_or(0, |segment| u64::from(seq(segment))))),
            until: Condition::At(Nanos(0)),
        });
    }

    /// `ID [fails]`
    fn begin(&mut self, rest: &str) {
        let id = rest.split_whitespace().next().expect("a step").to_owned();
        let step = self.evidence.facts.steps.iter().find(|step| step.id == id).expect("a step").clone();
        // A case's step keeps the held segment's number where a plan has a time.
        let seq = match (step.partition, step.begin) {
            (Some(_), Condition::At(Nanos(seq))) => Some(seq as u32),
            _ => None,
        };
        let fault = Fault { kind: step.kind, replica: step.replica, partition: step.partition, seq };
        self.push(Event::FaultBegin { step: id.clone(), fault, log_ends: self.log_ends() });
        let error = rest.ends_with("fails").then(|| "refused".to_owned());
        self.push(Event::FaultBegun { step: id, error });
    }

    /// `ID [@OFF] [fails]`: the log's end when the cure begins is as written so far, or as given.
    fn cure(&mut self, rest: &str) {
        let mut words = rest.split_whitespace();
        let step = words.next().expect("a step").to_owned();
        let given = words.find(|word| word.starts_with('@')).map(offset);
        let log_ends = given.map_or_else(|| self.log_ends(), |end| vec![end]);
        self.push(Event::CureBegin { step: step.clone(), log_ends });
        let error = rest.ends_with("fails").then(|| "refused".to_owned());
        self.push(Event::Cured { step, error });
    }

    fn log_ends(&self) -> Vec<u64> {
        self.evidence.log.iter().map(|log| log.last().map_or(0, |entry| entry.off + 1)).collect()
    }

    /// `REPLICA f=N[..M] u=N[..M] from=S to=S every=S [status=W]`: times in seconds, both ends sampled.
    fn samples(&mut self, rest: &str) {
        let replica = rest.split_whitespace().next().expect("a replica").to_owned();
        let fields = fields(rest);
        let (from, to, every) = (number(fields["from"]), number(fields["to"]), number(fields["every"]));
        let ends = |text: &str| {
            text.split_once("..").map_or((number(text), number(text)), |(a, b)| (number(a), number(b)))
        };
        let along =
            |(start, end): (u64, u64), t: u64| start + (end - start) * (t - from) / (to - from).max(1);
        for t in (from..=to).step_by(every as usize) {
            let u = along(ends(fields["u"]), t);
            let event = Event::Sample {
                replica: replica.clone(),
                partition: self.partition,
                u1: u,
                f: along(ends(fields["f"]), t),
                u2: u,
                status: (*fields.get("status").unwrap_or(&"running")).to_owned(),
                incarnation: self.incarnation(&replica),
            };
            self.evidence.events.push(Stamped { t: Nanos(t * SECOND), event });
        }
        self.clock = self.clock.max(to * SECOND);
    }
}

/// `@OFF -` (no row) or `@OFF [+KEY] NAME=VALUE ..` (`op`, `cmp`, `ops` for provenance, or a column).
fn except(schema: &Schema, rows: &mut BTreeMap<u64, Row>, exception: &str) {
    let mut words = exception.split_whitespace();
    let off = offset(words.next().expect("an offset"));
    for word in words {
        if word == "-" {
            rows.remove(&off);
            continue;
        }
        if let Some(key) = word.strip_prefix('+') {
            let cols = schema.columns.iter().map(|column| column.ty.default_value()).collect();
            rows.insert(off, Row { off, key: key.to_owned(), op: 0, cmp: 0, cols, doc: 0 });
            continue;
        }
        let row = rows.get_mut(&off).expect("a row");
        match word.split_once('=').expect("NAME=VALUE") {
            ("op", op) => row.op = number(op),
            ("cmp", cmp) => row.cmp = number(cmp) as i64,
            ("ops", ops) => {
                let ops: Vec<u64> = ops.split(',').map(number).collect();
                naive::provenance(schema, &ops).into_iter().for_each(|(at, value)| row.cols[at] = value);
            }
            (name, text) => {
                let at = schema.position(name).expect("a column");
                let column = &schema.columns[at];
                let value = naive::value(column, text);
                row.cols[at] = if value == Value::Null { column.ty.default_value() } else { value };
            }
        }
    }
}

fn facts() -> Facts {
    let keys = Keys { live: 1, skew: Skew::Uniform, retire_after_segments: 1, retire_after_updates: 1 };
    Facts {
        format: FORMAT,
        seed: Seed(1),
        target: "case".to_owned(),
        target_version: "1".to_owned(),
        settings: BTreeMap::new(),
        simulated: true,
        roster: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        partitions: 1,
        workload: Workload {
            name: "case".to_owned(),
            hunts: String::new(),
            partitions: 1,
            comparison: "cmp".to_owned(),
            rate_hz: 1,
            load_ms: 1,
            segment_rows: 10,
            provenance: Provenance::Full,
            keys,
            columns: Vec::new(),
        },
        nemesis: Nemesis {
            name: "case".to_owned(),
            hunts: String::new(),
            boundaries_after_first_step: None,
            tail_ms: 0,
            ending: Ending::Uncommitted,
            min_exposure: 0,
            required: Vec::new(),
            steps: Vec::new(),
        },
        steps: Vec::new(),
        schema: Schema {
            table: "case".to_owned(),
            key: "key".to_owned(),
            comparison: "cmp".to_owned(),
            op: "op".to_owned(),
            columns: Vec::new(),
            provenance: Provenance::Full,
        },
        left_out: Vec::new(),
        calibration_ops: 1,
        frozen_floor: Nanos(30 * SECOND),
        started: "2026-01-01T00:00:00Z".to_owned(),
    }
}

/// `NAME=MERGE[:TYPE]`
fn column(text: &str) -> Column {
    let (name, how) = text.split_once('=').expect("NAME=MERGE");
    let (merge, ty) = how.split_once(':').unwrap_or((how, ""));
    let merge: Merge = choice(merge);
    let ty = match (ty, merge) {
        ("", Merge::Append | Merge::Union) => Type::LongList,
        ("", _) => Type::Long,
        (ty, _) => choice(ty),
    };
    Column { name: name.to_owned(), ty, merge, optional: false, role: Role::Data }
}

/// A segment is named by its sequence number: `s0`.
fn seq(segment: &str) -> u32 {
    number(segment.strip_prefix('s').expect("s0, s1, ..")) as u32
}

fn range(text: &str) -> (u64, Option<u64>) {
    let (start, end) = text.split_once("..").expect("START..END");
    (number(start), (!end.is_empty()).then(|| number(end)))
}

fn offset(text: &str) -> u64 {
    number(text.strip_prefix('@').expect("@OFFSET"))
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn fields(text: &str) -> BTreeMap<&str, &str> {
    text.split_whitespace().filter_map(|word| word.split_once('=')).collect()
}

fn choice<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).expect("a closed choice")
}
