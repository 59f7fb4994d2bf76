//! The lines of a case that say what was read: captures, rows, current rows.

use crate::check::naive;
use crate::check::parse::{Case, number, offset, range, seq};
use dissent_core::history::event::{CaptureReason, Event};
use dissent_core::history::row::{
    Base, CopyState, Cover, CurrentRead, CurrentRow, Entry, Observed, Read, ReadValidity, Row,
};
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Schema, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A replica's only copy of a segment.
fn consuming(segment: String, partition: u32, range: std::ops::Range<u64>) -> Cover {
    Cover {
        seq: seq(&segment),
        segment,
        partition,
        start: range.start,
        end: range.end,
        state: CopyState::Consuming,
        registered: Observed::Known(true),
        copy: 1,
        rows: 0,
        position: None,
        checksum: None,
    }
}

impl Case {
    pub(crate) fn begin_capture(&mut self) {
        let capture = self.captures;
        self.captures += 1;
        self.capture = Some(capture);
        self.flagged.clear();
        self.push(Event::CaptureBegin { capture, reason: CaptureReason::Periodic });
    }

    /// Ends the capture. Current rows without a line of their own are read, and are right.
    pub(crate) fn end_capture(&mut self) {
        let Some(capture) = self.capture else { return };
        let spoken_of = self.partition;
        for partition in 0..self.record.meta.partitions {
            self.partition = partition;
            for replica in self.record.meta.roster.clone() {
                let held = self.covers.keys().any(|(holder, at, _)| (holder, *at) == (&replica, partition));
                if held && !self.flagged.contains(&(replica.clone(), partition)) {
                    self.flags(&format!("{replica} = log"));
                }
            }
        }
        self.partition = spoken_of;
        self.push(Event::CaptureEnd { capture });
        self.capture = None;
    }

    pub(crate) fn rows(&mut self, rest: &str) {
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
        let mut cover = consuming(segment, self.partition, start..end.expect("how far the replica covers"));
        let newest_only = self.record.meta.schema.rules.keeps_newest_only();
        if newest_only {
            cover.copy = self.next_read;
        }
        let (mut from, mut end_after, mut soundness, mut torn) = (start, cover.end, ReadValidity::Sound, 0);
        let mut position_after = None;
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("copy", copy) => cover.copy = number(copy),
                ("position", at) => {
                    (cover.position, position_after) = (Some(number(at)), Some(number(at)));
                }
                ("position-after", at) => position_after = Some(number(at)),
                ("from", off) => from = number(off),
                ("after", off) => end_after = number(off),
                ("local", _) => cover.state = CopyState::CommittedLocal,
                ("downloaded", _) => cover.state = CopyState::Downloaded,
                ("hidden", _) => cover.registered = Observed::Known(false),
                ("unobservable", _) => cover.registered = Observed::Unobservable,
                ("torn", rows) => torn = number(rows),
                ("copy-changed", _) => soundness = ReadValidity::CopyChanged,
                ("truncated", _) => soundness = ReadValidity::Truncated,
                ("failed", _) => soundness = ReadValidity::Failed,
                (word, _) => panic!("{word} is no word of rows"),
            }
        }
        let rows = told.map_or_else(Vec::new, |told| self.told_rows(start, from..end_after, told));
        if newest_only {
            // Its current rows are those that it shows.
            end_after = cover.end;
        }
        let id = self.next_read;
        self.next_read += 1;
        cover.rows = rows.len() as u64;
        if soundness == ReadValidity::Sound {
            let key = (replica.to_owned(), cover.partition, cover.seq);
            self.covers.insert(key, cover.clone());
        }
        self.push(Event::from(Read {
            id,
            capture: self.capture.expect("a capture"),
            replica: replica.to_owned(),
            incarnation: self.incarnation(replica),
            before: cover,
            end_after,
            position_after,
            rows_of: None,
            from,
            rows: rows.len() as u64 + torn,
            base: Base::Unknown,
            soundness,
        }));
        let rows = rows.into_iter().map(|row| (id, Arc::new(row)));
        self.record.rows[self.partition as usize].extend(rows);
    }

    /// `[without SEGMENT|@OFF,..] [until @OFF] [but @OFF ..; ..]`
    fn told_rows(&self, start: u64, range: std::ops::Range<u64>, told: &str) -> Vec<Row> {
        let log = &self.record.log[self.partition as usize];
        let schema = &self.record.meta.schema;
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
        let newest_only = schema.rules.keeps_newest_only();
        let is_newest = |entry: &Entry| {
            let all = naive::accepted(&schema.rules, log, &entry.key, range.end - 1);
            all.last().is_some_and(|last| last.off == entry.off && !last.tombstone)
        };
        let entries = log
            .iter()
            .filter(|entry| range.contains(&entry.off))
            .filter(|entry| !newest_only || is_newest(entry));
        let rows = entries.filter_map(|entry| {
            let first = log.iter().find(|it| it.key == entry.key && it.off >= start);
            let is_late = first.is_none_or(|first| first.off >= until);
            naive::row(schema, log, entry, &|it| is_late || !unseen.contains(&it.off))
        });
        let mut rows: BTreeMap<u64, Vec<Row>> = rows.map(|row| (row.off, vec![row])).collect();
        for exception in exceptions.split(';').map(str::trim).filter(|it| !it.is_empty()) {
            except(schema, log, &mut rows, exception);
        }
        rows.into_values().flatten().collect()
    }

    fn offsets(&self, what: &str) -> Vec<u64> {
        if what.starts_with('@') {
            return vec![offset(what)];
        }
        let segment = self.record.events.iter().rev().find_map(|stamped| match &stamped.event {
            Event::Segment { segment } if segment.name == what => Some(segment),
            _ => None,
        });
        let segment = segment.expect("a segment");
        (segment.start..segment.end.expect("an ended segment")).collect()
    }

    pub(crate) fn flags(&mut self, rest: &str) {
        let (head, told) = rest.split_once("= log").map_or((rest, None), |(head, told)| (head, Some(told)));
        let mut words = head.split_whitespace();
        let replica = words.next().expect("a replica").to_owned();
        self.flagged.insert((replica.clone(), self.partition));
        let held = self
            .covers
            .iter()
            .filter(|((holder, partition, _), _)| *holder == replica && *partition == self.partition);
        let before: Vec<Cover> = held.map(|(_, cover)| cover.clone()).collect();
        let mut after = before.clone();
        let (mut only, mut torn, mut soundness) = (false, 0, ReadValidity::Sound);
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("none", _) => return,
                ("only", _) => only = true,
                ("torn", keys) => torn = number(keys),
                ("failed", _) => soundness = ReadValidity::Failed,
                ("truncated", _) => soundness = ReadValidity::Truncated,
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
        let base = if only { self.flags_base(&replica) } else { Base::Nothing };
        let id = self.next_read;
        self.next_read += 1;
        self.push(Event::from(CurrentRead {
            id,
            capture: self.capture.expect("a capture"),
            incarnation: self.incarnation(&replica),
            replica,
            partition: self.partition,
            before,
            after,
            keys: flags.len() as u64 + torn,
            base,
            soundness,
        }));
        let currents = flags.into_iter().map(|(key, offs)| (id, CurrentRow { key: key.into(), offs }));
        self.record.current_rows[self.partition as usize].extend(currents);
    }

    /// What an incremental read of current rows builds on: the last such read of this life. If an earlier
    /// capture saw this life but has none, they were read, and the record lost them.
    fn flags_base(&self, replica: &str) -> Base {
        let (partition, life) = (self.partition, self.incarnation(replica));
        let events = self.record.events.iter().map(|stamped| &stamped.event);
        let mut flags = events.clone().filter_map(|event| match event {
            Event::CurrentRead(read) => Some((read.id, &read.replica, read.partition, read.incarnation)),
            _ => None,
        });
        let last = flags.rfind(|&(_, of, at, in_life)| of == replica && (at, in_life) == (partition, life));
        let seen_before = events.filter_map(|event| match event {
            Event::Read(read) => Some(read),
            _ => None,
        });
        let mut seen_before = seen_before.filter(|read| {
            read.replica == replica && read.incarnation == life && Some(read.capture) != self.capture
        });
        match last {
            Some((id, ..)) => Base::Read(id),
            None if seen_before.next().is_some() => Base::Read(0),
            None => Base::Nothing,
        }
    }

    /// The last accepted entry of each key within these ranges.
    fn right_flags(&self, covers: &[Cover]) -> BTreeMap<String, Vec<u64>> {
        let log = &self.record.log[self.partition as usize];
        let shown = |off: u64| {
            let visible = covers.iter().filter(|cover| cover.registered != Observed::Known(false));
            visible.into_iter().any(|cover| cover.start <= off && off < cover.end)
        };
        let keys: BTreeSet<&Arc<str>> = log.iter().map(|entry| &entry.key).collect();
        let last = keys.into_iter().filter_map(|key| {
            let accepted = naive::accepted(&self.record.meta.schema.rules, log, key, u64::MAX);
            let last = accepted.into_iter().rev().find(|entry| shown(entry.off))?;
            Some((key.to_string(), if last.tombstone { Vec::new() } else { vec![last.off] }))
        });
        last.collect()
    }

    pub(crate) fn incarnation(&self, replica: &str) -> u64 {
        self.incarnations.get(replica).copied().unwrap_or(1)
    }
}

/// `@OFF -` (no row) or `@OFF [+KEY] [twice] NAME=VALUE ..` (`op`, `cmp`, `ops` for provenance, or a column):
/// of a row that comes twice the second one has these values. Cells of an entry that the table ignores are
/// changed in the row that it would be elsewhere.
fn except(schema: &Schema, log: &[Entry], rows: &mut BTreeMap<u64, Vec<Row>>, exception: &str) {
    let mut words = exception.split_whitespace();
    let off = offset(words.next().expect("an offset"));
    let plain = || {
        let schema = Schema { rules: Rules::default(), ..schema.clone() };
        let entry = log.iter().find(|entry| entry.off == off)?;
        naive::row(&schema, log, entry, &|_| true)
    };
    for word in words {
        if word == "-" {
            rows.remove(&off);
            continue;
        }
        if let Some(key) = word.strip_prefix('+') {
            let cols = schema.columns.iter().map(|column| column.ty.default_value()).collect();
            rows.insert(off, vec![Row { off, key: key.into(), op: 0, cmp: 0, cols, doc: 0 }]);
            continue;
        }
        let at = rows.entry(off).or_insert_with(|| vec![plain().expect("a row")]);
        if word == "twice" {
            at.extend_from_within(..1);
            continue;
        }
        let row = at.last_mut().expect("a row");
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
