//! What a replica holds from one sample to the next.

use super::parse::{Case, fields, number, seq};
use dissent_core::history::event::Event;
use dissent_core::history::row::{CopyState, Cover, CoverageChange, Observed, PositionChange};

impl Case {
    /// What a replica holds of segments since its last sample: `c s1 2..9 was=6; s0 0..2 downloaded`.
    pub(super) fn holds(&mut self, rest: &str) {
        let (replica, segments) = rest.split_once(' ').expect("holds REPLICA SEGMENTS");
        let (mut changed, mut consuming) = (Vec::new(), Vec::new());
        for text in segments.split(';') {
            let words: Vec<&str> = text.split_whitespace().collect();
            let (start, end) = words[1].split_once("..").expect("START..END");
            let was = fields(text).get("was").map(|was| number(was));
            let state = match words.get(2) {
                Some(&"downloaded") => CopyState::Downloaded,
                Some(&"local") => CopyState::CommittedLocal,
                _ => CopyState::Consuming,
            };
            let (segment, partition, seq) = (words[0].to_owned(), self.partition, seq(words[0]));
            let (start, end) = (number(start), number(end));
            if state == CopyState::Consuming {
                consuming.push(PositionChange { segment: segment.clone(), partition, before: was, now: end });
            }
            if was.is_none() {
                let (registered, copy) = (Observed::Unobservable, 0);
                changed.push(Cover {
                    segment,
                    partition,
                    seq,
                    start,
                    end,
                    state,
                    registered,
                    copy,
                    rows: end - start,
                    position: None,
                    checksum: None,
                });
            }
        }
        let (replica, incarnation) = (replica.to_owned(), self.incarnation(replica));
        self.push(Event::Coverage(CoverageChange {
            replica,
            incarnation,
            changed,
            gone: Vec::new(),
            consuming,
        }));
    }
}
