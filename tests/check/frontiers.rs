//! The lines of a case that declare frontiers and look at them.

use crate::check::naive;
use crate::check::parse::{Case, between, choice, ends, fields, number, offset};
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::frontier::{
    Domain, Frontier, FrontierKind, FrontierReading, Upstream, UpstreamEnd,
};
use dissent_core::history::schema::Value;
use dissent_core::history::shard_snapshot::{CountedRow, ShardSnapshot};
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000_000;

impl Case {
    /// `NAME [kind=K] [replica=R] [domain=D] [feeds=NAME] [group=G] [heals=Ss] [durable] [combines=C]
    /// [ends=N] [later]`, and what its upstream counts: `[counts=next|last] [offsets=P] [age=Ss] [markers]
    /// [others] [own]`
    pub(crate) fn frontier(&mut self, rest: &str) {
        let name = rest.split_whitespace().next().expect("a frontier").to_owned();
        let fields = fields(rest);
        let text = |field: &str| fields.get(field).map(|text| (*text).to_owned());
        let seconds = |text: &&str| Nanos(number(text.trim_end_matches('s')) * SECOND);
        let says = |wanted: &str| rest.split_whitespace().any(|word| word == wanted);
        self.record.meta.frontiers.push(Frontier {
            kind: fields.get("kind").map_or(FrontierKind::WriterOutput, |kind| choice(kind)),
            replica: text("replica"),
            domain: fields.get("domain").map_or(Domain::Same, |domain| choice(domain)),
            durable: says("durable"),
            feeds: text("feeds"),
            group: text("group").unwrap_or_else(|| name.clone()),
            heals_within: fields.get("heals").map(seconds),
            combines: fields.get("combines").map(|how| choice(how)),
            upstream: Upstream {
                end: fields.get("counts").map_or(UpstreamEnd::Next, |end| choice(end)),
                partition: fields.get("offsets").map(|partition| number(partition) as u32),
                markers: says("markers"),
                others: says("others"),
                own: says("own"),
                age: fields.get("age").map(seconds),
            },
            ends_at: fields.get("ends").map(|end| number(end)),
            from_start: !says("later"),
            object: name,
        });
    }

    /// `NAME f=N[..M]|none u=N[..M] from=S to=S every=S [status=W] [incarnation=N]`
    pub(crate) fn looks(&mut self, rest: &str) {
        let object = rest.split_whitespace().next().expect("a frontier").to_owned();
        let fields = fields(rest);
        let (from, to, every) = (number(fields["from"]), number(fields["to"]), number(fields["every"]));
        let along = |text: &str, t: u64| between(ends(text), t - from, to - from);
        for t in (from..=to).step_by(every as usize) {
            let u = along(fields["u"], t);
            let look = FrontierReading {
                object: object.clone(),
                u1: u,
                f: (fields["f"] != "none").then(|| along(fields["f"], t)),
                u2: u,
                status: (*fields.get("status").unwrap_or(&"running")).to_owned(),
                incarnation: fields.get("incarnation").map_or(1, |life| number(life)),
            };
            self.record.events.push(TimedEvent { t: Nanos(t * SECOND), event: Event::Frontier(look) });
        }
        self.clock = self.clock.max(to * SECOND);
    }

    /// `REPLICA`: it is restarted outside the plan, because it has not settled; `cure probe-REPLICA` ends
    /// that.
    pub(crate) fn probe(&mut self, rest: &str) {
        let step = format!("probe-{rest}");
        let fault = Fault { kind: FaultKind::Restart, replica: rest.to_owned(), partition: None, seq: None };
        self.push(Event::FaultBegin { step: step.clone(), fault, log_ends: self.log_ends() });
        self.push(Event::FaultBegun { step, error: None });
    }

    /// As `log`; the entry is the partition's canary.
    pub(crate) fn canary(&mut self, rest: &str) {
        self.push(Event::Canary { partition: self.partition, op: self.next_op });
        self.log(rest);
    }

    /// `NAME @END [upper=N] [but k1 x=5 count=2; k2 -; +k9 x=1 op=9]`: what the log folds to below END, where
    /// the last entry of a key wins; but these rows are otherwise, are not there, or are there beside.
    pub(crate) fn contents(&mut self, rest: &str) {
        let (which, but) = rest.split_once(" but ").unwrap_or((rest, ""));
        let (object, end) = which.split_once(' ').expect("contents NAME @END");
        let log_end = offset(end.split_whitespace().next().expect("an offset"));
        let upper = fields(which).get("upper").map_or(log_end, |upper| number(upper));
        let mut newest: BTreeMap<&str, CountedRow> = BTreeMap::new();
        for entry in self.record.log[0].iter().filter(|entry| entry.off < log_end) {
            let (key, cols) = (entry.key.clone(), entry.cols.clone());
            newest.insert(&entry.key, CountedRow { key, op: entry.op, cmp: entry.cmp, cols, count: 1 });
            if entry.tombstone {
                newest.remove(entry.key.as_ref());
            }
        }
        let mut rows: Vec<CountedRow> = newest.into_values().collect();
        but.split(';')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .for_each(|it| self.otherwise(&mut rows, it));
        let capture = self.capture.expect("a capture");
        let contents = ShardSnapshot { capture, object: object.to_owned(), upper, log_end, rows };
        self.push(Event::Contents(contents));
    }

    /// `KEY -`, `KEY COL=V.. [op=N] [cmp=N] [count=N]`, or the same with `+KEY` for a row beside.
    fn otherwise(&self, rows: &mut Vec<CountedRow>, exception: &str) {
        let (key, how) = exception.split_once(' ').expect("KEY HOW");
        let is_beside = key.starts_with('+');
        let key = key.trim_start_matches('+').to_owned();
        if how == "-" {
            return rows.retain(|row| *row.key != *key);
        }
        if is_beside {
            let cols = vec![Value::Null; self.record.meta.schema.columns.len()];
            rows.push(CountedRow { key: key.clone().into(), op: 0, cmp: 0, cols, count: 1 });
        }
        let row = rows.iter_mut().rfind(|row| *row.key == *key).expect("a row that is there");
        for (name, text) in fields(how) {
            match name {
                "op" => row.op = number(text),
                "cmp" => row.cmp = text.parse().expect("a number"),
                "count" => row.count = text.parse().expect("a number"),
                name => {
                    let schema = &self.record.meta.schema;
                    let at = schema.columns.iter().position(|it| it.name == name).expect("a column");
                    row.cols[at] = naive::value(&schema.columns[at], text);
                }
            }
        }
    }
}
