//! The lines of a case that declare frontiers and look at them.

use crate::check::parse::{Case, between, choice, ends, fields, number};
use dissent::record::event::{Event, Stamped};
use dissent::record::frontier::{Domain, Frontier, FrontierKind, Look};
use dissent::record::row::Nanos;

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
}
