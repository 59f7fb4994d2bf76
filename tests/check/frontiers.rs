//! The lines of a case that declare frontiers and look at them.

use crate::check::parse::{Case, between, choice, ends, fields, number, offset};
use dissent::plan::schedule::{Fault, FaultKind};
use dissent::record::contents::{Contents, Held};
use dissent::record::event::{Event, Stamped};
use dissent::record::frontier::{Domain, Frontier, FrontierKind, Look};
use dissent::record::row::Nanos;
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000_000;

impl Case {
    /// `NAME [kind=K] [replica=R] [domain=D] [feeds=NAME] [group=G] [heals=Ss] [durable]`
    pub(crate) fn frontier(&mut self, rest: &str) {
        let name = rest.split_whitespace().next().expect("a frontier").to_owned();
        let fields = fields(rest);
        let text = |field: &str| fields.get(field).map(|text| (*text).to_owned());
        let seconds = |text: &&str| Nanos(number(text.trim_end_matches('s')) * SECOND);
        self.evidence.facts.frontiers.push(Frontier {
            kind: fields.get("kind").map_or(FrontierKind::WriterOutput, |kind| choice(kind)),
            replica: text("replica"),
            domain: fields.get("domain").map_or(Domain::Same, |domain| choice(domain)),
            durable: rest.split_whitespace().any(|word| word == "durable"),
            feeds: text("feeds"),
            group: text("group").unwrap_or_else(|| name.clone()),
            heals_within: fields.get("heals").map(seconds),
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
            let look = Look {
                object: object.clone(),
                u1: u,
                f: (fields["f"] != "none").then(|| along(fields["f"], t)),
                u2: u,
                status: (*fields.get("status").unwrap_or(&"running")).to_owned(),
                incarnation: fields.get("incarnation").map_or(1, |life| number(life)),
            };
            self.evidence.events.push(Stamped { t: Nanos(t * SECOND), event: Event::Frontier(look) });
        }
        self.clock = self.clock.max(to * SECOND);
    }

    /// `REPLICA`: it is restarted, beside the plan, because it has not settled; `cure probe-REPLICA`.
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

    /// `NAME @END`: what the log folds to below END, where the last entry of a key wins.
    pub(crate) fn contents(&mut self, rest: &str) {
        let (object, end) = rest.split_once(' ').expect("contents NAME @END");
        let log_end = offset(end);
        let mut rows: BTreeMap<&str, Held> = BTreeMap::new();
        for entry in self.evidence.log[0].iter().filter(|entry| entry.off < log_end) {
            let (key, cols) = (entry.key.clone(), entry.cols.clone());
            rows.insert(&entry.key, Held { key, op: entry.op, cmp: entry.cmp, cols, count: 1 });
        }
        let rows = rows.into_values().collect();
        let capture = self.capture.expect("a capture");
        let contents = Contents { capture, object: object.to_owned(), upper: log_end, log_end, rows };
        self.push(Event::Contents(contents));
    }
}
