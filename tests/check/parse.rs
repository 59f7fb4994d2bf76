//! Turns the lines of a case into a record. `README.md` beside this file describes the language.

use crate::check::meta::meta;
use crate::check::naive;
use dissent_core::history::event::{Event, Op, OpOutcome, ProcessExit, TimedEvent};
use dissent_core::history::fault::{Condition, Fault, FaultKind, Step, Transition};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{Cover, Entry, Segment};
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::history::schema::rules::Absence;
use dissent_core::history::schema::{Column, Merge, Role, Type, Value};
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::Workload;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

const SECOND: u64 = 1_000_000_000;

/// A parsed case.
pub(crate) struct Case {
    pub(crate) record: MemoryRecord,
    pub(crate) clock: u64,
    /// The partition that lines are about.
    pub(crate) partition: u32,
    pub(crate) capture: Option<u32>,
    pub(crate) captures: u32,
    pub(crate) next_read: u64,
    pub(crate) next_op: u64,
    pub(crate) incarnations: BTreeMap<String, u64>,
    /// What each replica was last seen to hold, by (replica, partition, seq).
    pub(crate) covers: BTreeMap<(String, u32, u32), Cover>,
    /// Replicas and partitions whose current rows were read in this capture, or must not be read.
    pub(crate) flagged: BTreeSet<(String, u32)>,
}

/// Parses the part above `----`.
pub(crate) fn case(text: &str) -> Case {
    let history = text.split("\n----\n").next().expect("a history");
    let mut case = Case {
        record: MemoryRecord {
            meta: meta(),
            events: Vec::new(),
            log: vec![Vec::new()],
            rows: vec![Vec::new()],
            current_rows: vec![Vec::new()],
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
    case.record.rows.iter_mut().for_each(|rows| rows.sort_by_key(|(read, row)| (row.off, *read)));
    case.record.events.sort_by_key(|stamped| stamped.t);
    case
}

impl Case {
    fn turn_to_partition(&mut self, partition: u32) {
        let record = &mut self.record;
        self.partition = partition;
        record.meta.partitions = record.meta.partitions.max(partition + 1);
        let partitions = record.meta.partitions as usize;
        record.log.resize(partitions, Vec::new());
        record.rows.resize(partitions, Vec::new());
        record.current_rows.resize(partitions, Vec::new());
    }

    fn line(&mut self, verb: &str, rest: &str) {
        if !["rows", "flags", "contents", "partition"].contains(&verb) {
            self.end_capture();
        }
        let mut words = rest.split_whitespace();
        let meta = &mut self.record.meta;
        match verb {
            "columns" => self.columns(rest),
            "provenance" => meta.schema.provenance = choice(rest),
            "roster" => meta.roster = words.map(str::to_owned).collect(),
            "workload" => meta.workload = workload(meta.workload.clone(), rest),
            "calibrate" => meta.calibration_ops = number(rest),
            "may-be-absent" => {
                let reasons = rest.split([',', ' ']).filter(|reason| !reason.is_empty());
                meta.schema.rules.may_be_absent.extend(reasons.map(choice::<Absence>));
            }
            "time-to-live" => meta.schema.rules.time_to_live = Nanos(number(rest) * SECOND),
            "retains" => meta.schema.rules.retains = choice(rest),
            "log-source" => meta.schema.rules.log = choice(rest),
            "event-of-deleted" => meta.schema.rules.event_of_deleted = choice(rest),
            "floor" => meta.frozen_floor = Nanos(number(rest) * SECOND),
            "min-exposure" => meta.nemesis.min_exposure = number(rest),
            "require" => meta.nemesis.required.push(choice(rest)),
            "partition" => self.turn_to_partition(number(rest) as u32),
            "at" => self.clock = number(rest) * SECOND,
            "segment" => self.segment(rest),
            "log" => self.log(rest),
            "ack" => self.ack(rest),
            "unknown" => self.unknown(rest),
            "answer" => self.answer(rest),
            "says" => self.says(rest),
            "holds" => self.holds(rest),
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
            "probe" => self.probe(rest),
            "samples" => self.samples(rest),
            "frontier" => self.frontier(rest),
            "looks" => self.looks(rest),
            "canary" => self.canary(rest),
            "contents" => self.contents(rest),
            "phase" => self.push(Event::Phase { phase: choice(rest) }),
            "unreachable" => {
                self.push(Event::Unreachable { replica: rest.to_owned(), error: "timed out".to_owned() });
            }
            "died" => {
                let (server, words) = rest.split_once(' ').expect("died SERVER WORDS");
                let (server, words) = (server.to_owned(), words.to_owned());
                self.push(Event::ServerDied(ProcessExit { server, words }));
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

    pub(crate) fn push(&mut self, event: Event) {
        self.record.events.push(TimedEvent { t: Nanos(self.clock), event });
    }

    fn columns(&mut self, rest: &str) {
        let schema = &mut self.record.meta.schema;
        schema.columns = rest.split_whitespace().map(column).collect();
        let told = [
            ("ops", Type::LongList, Merge::Append, Role::Ops),
            ("count", Type::Long, Merge::Increment, Role::OpCount),
            ("sum", Type::Long, Merge::Increment, Role::OpSum),
        ];
        let column = |(name, ty, merge, role)| Column { role, ..Column::data(name, ty, merge) };
        schema.columns.extend(told.map(column));
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

    /// `@OFF KEY WORDS`, or `@FROM..TO KEY WORDS` for the same at every offset below TO.
    pub(crate) fn log(&mut self, rest: &str) {
        let (at, what) = rest.split_once(' ').expect("an offset and a key");
        let Some((from, to)) = at.split_once("..") else { return self.entry(rest) };
        (offset(from)..number(to)).for_each(|off| self.entry(&format!("@{off} {what}")));
    }

    fn entry(&mut self, rest: &str) {
        let mut words = rest.split_whitespace();
        let off = offset(words.next().expect("an offset"));
        let key = words.next().expect("a key").to_owned();
        let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
        let (mut tombstone, mut sent, mut flies, mut undecided) = (false, true, false, false);
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => drop(fields.insert(name, value)),
                None if word == "delete" => tombstone = true,
                None if word == "unsent" => sent = false,
                None if word == "in-flight" => (sent, flies) = (false, true),
                None if word == "undecided" => (sent, flies, undecided) = (false, true, true),
                None => panic!("{word} is no word of log"),
            }
        }
        let op = fields.get("op").map_or(self.next_op, |op| number(op));
        self.next_op = self.next_op.max(op + 1);
        let cmp = fields.get("cmp").map_or(op as i64 * 10, |cmp| number(cmp) as i64);
        let schema = &self.record.meta.schema;
        let given = |column: &Column| {
            fields.get(column.name.as_str()).map_or(Value::Null, |text| naive::value(column, text))
        };
        let mut cols: Vec<Value> = schema.columns.iter().map(given).collect();
        naive::provenance(schema, &[op]).into_iter().for_each(|(at, value)| cols[at] = value);
        let entry = Entry { off, key: key.clone().into(), op, cmp, tombstone, cols };
        if sent {
            self.acknowledge(op, &key, Some(off));
        }
        if flies {
            self.send(op, &key);
        }
        if undecided {
            self.push(Event::Complete { op, outcome: OpOutcome::Unknown, off: None });
        }
        self.record.log[self.partition as usize].push(entry);
    }

    fn ack(&mut self, rest: &str) {
        let fields = fields(rest);
        let off = rest.split_whitespace().find(|word| word.starts_with('@')).map(offset);
        self.acknowledge(number(fields["op"]), "lost", off);
    }

    /// `op=N`: an op that was sent, with an unknown outcome.
    fn unknown(&mut self, rest: &str) {
        let op = number(fields(rest)["op"]);
        self.send(op, "unknown");
        self.push(Event::Complete { op, outcome: OpOutcome::Unknown, off: None });
    }

    /// `op=N @OFF`: the acknowledgement of an op in flight.
    fn answer(&mut self, rest: &str) {
        let (op, at) = rest.split_once(' ').expect("answer op=N @OFF");
        let (op, off) = (number(fields(op)["op"]), Some(offset(at)));
        self.push(Event::Complete { op, outcome: OpOutcome::Ok, off });
    }

    /// `REPLICA KIND SEGMENT [NAME=NUMBER ..]`: a line that the replica itself logged.
    fn says(&mut self, rest: &str) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let mut fields = fields(rest);
        let node_ms = fields.remove("at").map_or(0, number);
        let mut detail = serde_json::json!({});
        for (name, value) in fields {
            let place = name.split('.').fold(&mut detail, |place, name| &mut place[name]);
            *place = logged(name, value);
        }
        self.push(Event::from(LifecycleRecord {
            replica: words[0].to_owned(),
            incarnation: self.incarnation(words[0]),
            seq: self.clock,
            node_ms,
            segment: words
                .get(2)
                .filter(|word| !word.contains('=') && **word != "-")
                .map(|it| (*it).to_owned()),
            kind: words[1].to_owned(),
            detail,
        }));
    }

    fn send(&mut self, op: u64, key: &str) {
        let due = Nanos(self.clock);
        let (partition, key) = (self.partition, key.to_owned());
        let sent = Op { id: op, partition, key: key.into(), cmp: 0, cols: Vec::new(), delete: false, due };
        self.push(Event::Invoke { op: sent });
    }

    fn acknowledge(&mut self, op: u64, key: &str, off: Option<u64>) {
        let known = |stamped: &TimedEvent| matches!(&stamped.event, Event::Invoke { op: it } if it.id == op);
        if self.record.events.iter().any(known) {
            return;
        }
        self.send(op, key);
        self.push(Event::Complete { op, outcome: OpOutcome::Ok, off });
    }

    /// `ID hold-consume|hold-online|restart|pause|drop-writer|commit-winner REPLICA [SEGMENT]`
    fn step(&mut self, rest: &str) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let kind = match words[1] {
            "hold-consume" => FaultKind::HoldMessage(Transition::OfflineToConsuming),
            "hold-online" => FaultKind::HoldMessage(Transition::ConsumingToOnline),
            "restart" => FaultKind::Restart,
            "pause" => FaultKind::Pause,
            "drop-writer" => FaultKind::DropWriter,
            "commit-winner" => FaultKind::CommitWinner,
            kind => panic!("{kind} is no fault"),
        };
        self.record.meta.steps.push(Step {
            id: words[0].to_owned(),
            kind,
            replica: words[2].to_owned(),
            role: None,
            partition: words.get(3).map(|_| self.partition),
            begin: Condition::At(Nanos(words.get(3).map_or(0, |segment| u64::from(seq(segment))))),
            until: Condition::At(Nanos(0)),
        });
    }

    /// `ID [fails]`
    fn begin(&mut self, rest: &str) {
        let id = rest.split_whitespace().next().expect("a step").to_owned();
        let step = self.record.meta.steps.iter().find(|step| step.id == id).expect("a step").clone();
        // The step of a case keeps the number of the held segment where a plan has a time.
        let seq = match (step.partition, step.begin) {
            (Some(_), Condition::At(Nanos(seq))) => Some(seq as u32),
            _ => None,
        };
        let fault = Fault { kind: step.kind, replica: step.replica, partition: step.partition, seq };
        self.push(Event::FaultBegin { step: id.clone(), fault, log_ends: self.log_ends() });
        let error = rest.ends_with("fails").then(|| "refused".to_owned());
        self.push(Event::FaultBegun { step: id, error });
    }

    /// `ID [@OFF] [fails | early]`: the cure begins at the end of the log so far, or at OFF.
    fn cure(&mut self, rest: &str) {
        let mut words = rest.split_whitespace();
        let step = words.next().expect("a step").to_owned();
        let given = words.find(|word| word.starts_with('@')).map(offset);
        let log_ends = given.map_or_else(|| self.log_ends(), |end| vec![end]);
        self.push(Event::CureBegin { step: step.clone(), log_ends });
        let error = rest.ends_with("fails").then(|| "refused".to_owned());
        let ended_early = rest.ends_with("early").then(|| "the hold is gone".to_owned());
        self.push(Event::Cured { step, error, ended_early });
    }

    pub(crate) fn log_ends(&self) -> Vec<u64> {
        self.record.log.iter().map(|log| log.last().map_or(0, |entry| entry.off + 1)).collect()
    }

    /// `REPLICA f=N[..M] u=N[..M] from=S to=S every=S [status=W]`: times in seconds, both ends sampled.
    fn samples(&mut self, rest: &str) {
        let replica = rest.split_whitespace().next().expect("a replica").to_owned();
        let fields = fields(rest);
        let (from, to, every) = (number(fields["from"]), number(fields["to"]), number(fields["every"]));
        let along = |text: &str, t: u64| between(ends(text), t - from, to - from);
        for t in (from..=to).step_by(every as usize) {
            let u = along(fields["u"], t);
            let event = Event::Sample {
                replica: replica.clone(),
                partition: self.partition,
                u1: u,
                f: along(fields["f"], t),
                u2: u,
                status: (*fields.get("status").unwrap_or(&"running")).to_owned(),
                incarnation: self.incarnation(&replica),
            };
            self.record.events.push(TimedEvent { t: Nanos(t * SECOND), event });
        }
        self.clock = self.clock.max(to * SECOND);
    }
}

/// `N..M`, or `N` for `N..N`.
pub(crate) fn ends(text: &str) -> (u64, u64) {
    let both = text.split_once("..");
    both.map_or_else(|| (number(text), number(text)), |(a, b)| (number(a), number(b)))
}

pub(crate) fn between((start, end): (u64, u64), part: u64, whole: u64) -> u64 {
    start + (end - start) * part / whole.max(1)
}

/// The workload under a name, which may allow ties, or events that are out of order.
fn workload(workload: Workload, name: &str) -> Workload {
    let percent_if = |wanted| u8::from(name == wanted);
    let (tie_percent, out_of_order_percent) = (percent_if("ties"), percent_if("out-of-order"));
    Workload { name: name.to_owned(), tie_percent, out_of_order_percent, ..workload }
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
    Column::data(name, ty, merge)
}

/// A segment is named after its sequence number: `s0`.
pub(crate) fn seq(segment: &str) -> u32 {
    number(segment.strip_prefix('s').expect("s0, s1, ..")) as u32
}

pub(crate) fn range(text: &str) -> (u64, Option<u64>) {
    let (start, end) = text.split_once("..").expect("START..END");
    (number(start), (!end.is_empty()).then(|| number(end)))
}

pub(crate) fn offset(text: &str) -> u64 {
    number(text.strip_prefix('@').expect("@OFFSET"))
}

/// A value in the detail of a lifecycle event: a list, a number, a truth value or a word.
fn logged(name: &str, value: &str) -> serde_json::Value {
    match value {
        list if ["reads", "writes", "logs"].contains(&name) => list.split(',').collect(),
        "true" | "false" => (value == "true").into(),
        _ => value.parse::<u64>().map_or_else(|_| value.into(), Into::into),
    }
}

pub(crate) fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

pub(crate) fn fields(text: &str) -> BTreeMap<&str, &str> {
    text.split_whitespace().filter_map(|word| word.split_once('=')).collect()
}

pub(crate) fn choice<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).expect("a closed choice")
}
