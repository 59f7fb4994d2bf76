//! Whether the events account for each other (`RULES.md` 10): captures are numbered without a gap, do not
//! overlap, and end; reads are numbered without a gap, and each belongs to the running capture; a phase that
//! ends with a capture has one; each capture of a shard has its contents, or the reason why not. Anything
//! else is damage, which proves nothing against any replica.

use crate::checker::verdict::{Doubt, DoubtKind};
use crate::history::event::{Event, Phase};

/// Captures and reads, as far as they are recorded.
#[derive(Debug, Default)]
pub(crate) struct EventSequence {
    /// How many captures began, or must have begun.
    captures: u32,
    open: Option<u32>,
    /// The ids of the reads of captures that ended.
    reads: Vec<u64>,
    pending: Vec<u64>,
    /// The capture that must end the current phase, until it begins.
    owing: Option<&'static str>,
    /// Whether the run was cut off. A phase may then end without its capture.
    is_stopped: bool,
    /// Whether the current capture has returned anything, or the reason why it could not.
    is_answered: bool,
    has_contents: bool,
    /// The captures that returned nothing.
    empty: Vec<u32>,
    details: Vec<String>,
}

impl EventSequence {
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Phase { phase } => self.enter(*phase),
            Event::Interrupted { .. } | Event::ServerDied(_) => self.is_stopped = true,
            Event::CaptureBegin { capture, .. } => self.begin(*capture),
            Event::CaptureEnd { capture } => self.end(*capture),
            Event::Read(read) => self.read(read.id, read.capture),
            Event::CurrentRead(read) => self.read(read.id, read.capture),
            Event::Trouble { .. } => self.is_answered = true,
            Event::Contents(contents) => {
                (self.is_answered, self.has_contents) = (true, true);
                self.belong(&format!("the contents of {}", contents.object), contents.capture);
            }
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        if let Some(owing) = self.owing.take().filter(|_| !self.is_stopped) {
            self.details.push(format!("the capture {owing} is not on record"));
        }
        self.owing = match phase {
            Phase::Capture => Some("after the load"),
            Phase::Probe => Some("after the probe"),
            Phase::Ending => Some("after the ending"),
            _ => None,
        };
    }

    fn begin(&mut self, capture: u32) {
        self.note_unended();
        (self.owing, self.is_answered) = (None, false);
        let due = self.captures;
        if capture < due {
            self.details.push(format!("capture {capture} begins a second time"));
        } else if capture > due {
            self.details.push(format!("{} not on record", numbers("capture", due.into(), capture.into())));
        }
        self.captures = due.max(capture.saturating_add(1));
        self.open = Some(capture);
    }

    fn note_unended(&mut self) {
        if let Some(open) = self.open.take() {
            self.details.push(format!("capture {open} has no end"));
            self.reads.append(&mut self.pending);
        }
    }

    fn end(&mut self, capture: u32) {
        if self.open != Some(capture) {
            self.details.push(format!("capture {capture} ends, and is not under way"));
        }
        self.empty.extend((!self.is_answered).then_some(capture));
        self.open = None;
        self.reads.append(&mut self.pending);
    }

    fn read(&mut self, id: u64, capture: u32) {
        self.is_answered = true;
        self.pending.push(id);
        self.belong(&format!("read {id}"), capture);
    }

    fn belong(&mut self, what: &str, capture: u32) {
        if self.open != Some(capture) {
            self.details.push(format!("{what} belongs to capture {capture}, which is not under way"));
        }
    }

    /// The events that do not account for each other. If the events are cut off, so is their last capture.
    /// Reads of several replicas are interleaved, so the gaps in that capture say nothing more.
    pub(crate) fn doubts(mut self, is_cut_off: bool) -> Vec<Doubt> {
        if !is_cut_off {
            self.note_unended();
            self.reads.append(&mut self.pending);
        }
        for capture in self.empty.iter().filter(|_| self.has_contents) {
            self.details.push(format!("what capture {capture} read of the shard is not on record"));
        }
        self.reads.sort_unstable();
        let mut due = 1;
        for &id in &self.reads {
            if id > due {
                self.details.push(format!("{} not on record", numbers("read", due, id)));
            } else if id.saturating_add(1) == due {
                self.details.push(format!("read {id} is on record twice"));
            }
            due = due.max(id.saturating_add(1));
        }
        self.details.dedup();
        let doubt = |detail| Doubt { kind: DoubtKind::Damage, detail: format!("events: {detail}") };
        self.details.into_iter().map(doubt).collect()
    }
}

/// `read 3 is`, or `reads 3 to 5 are`. `end` is the first number that is there again.
fn numbers(what: &str, start: u64, end: u64) -> String {
    match end - start {
        1 => format!("{what} {start} is"),
        _ => format!("{what}s {start} to {} are", end - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::CaptureReason;
    use crate::history::shard_snapshot::ShardSnapshot;

    fn begin(capture: u32) -> Event {
        Event::CaptureBegin { capture, reason: CaptureReason::Periodic }
    }

    fn end(capture: u32) -> Event {
        Event::CaptureEnd { capture }
    }

    fn contents(capture: u32) -> Event {
        let object = "s".to_owned();
        Event::Contents(ShardSnapshot { capture, object, upper: 0, log_end: 0, rows: Vec::new() })
    }

    fn phase(phase: Phase) -> Event {
        Event::Phase { phase }
    }

    fn read(id: u64, capture: u32) -> Event {
        let line = format!(
            r#"{{"type":"current-read","id":{id},"capture":{capture},"replica":"a","partition":0,
                "incarnation":1,"before":[],"after":[],"keys":0,"soundness":"sound"}}"#
        );
        serde_json::from_str(&line).expect("an event")
    }

    fn details(events: &[Event], is_cut_off: bool) -> Vec<String> {
        let mut sequence = EventSequence::default();
        events.iter().for_each(|event| sequence.take(event));
        sequence.doubts(is_cut_off).into_iter().map(|doubt| doubt.detail).collect()
    }

    #[test]
    fn a_complete_record_raises_no_doubt_though_replicas_are_read_in_parallel() {
        let whole = [begin(0), read(2, 0), read(1, 0), end(0), begin(1), contents(1), read(3, 1), end(1)];
        assert!(details(&whole, false).is_empty());
        let cut = [begin(0), read(2, 0), read(1, 0), end(0), begin(1), read(9, 1)];
        assert!(details(&cut, true).is_empty(), "what the tail held is not known");
        let phases = [phase(Phase::Quiesce), phase(Phase::Capture), begin(0), end(0), phase(Phase::Done)];
        assert!(details(&phases, false).is_empty());
        let by = "SIGINT".to_owned();
        let stopped = [phase(Phase::Ending), Event::Interrupted { by }, phase(Phase::Done)];
        assert!(details(&stopped, false).is_empty());
    }

    #[test]
    fn events_that_are_lost_doubled_or_misplaced_are_named() {
        let cases: [(&[Event], &str); 9] = [
            (&[begin(0), read(1, 0)], "events: capture 0 has no end"),
            (&[begin(0), begin(1), end(1)], "events: capture 0 has no end"),
            (&[begin(1), end(1)], "events: capture 0 is not on record"),
            (&[begin(0), end(0), begin(3), end(3)], "events: captures 1 to 2 are not on record"),
            (&[begin(0), end(0), begin(0), end(0)], "events: capture 0 begins a second time"),
            (&[end(0)], "events: capture 0 ends, and is not under way"),
            (&[begin(0), read(2, 0), end(0)], "events: read 1 is not on record"),
            (&[begin(0), read(1, 0), read(1, 0), end(0)], "events: read 1 is on record twice"),
            (&[contents(0)], "events: the contents of s belongs to capture 0, which is not under way"),
        ];
        for (events, wanted) in cases {
            assert_eq!(details(events, false), [wanted]);
        }
        let shard = [begin(0), contents(0), end(0), begin(1), end(1)];
        assert_eq!(details(&shard, false), ["events: what capture 1 read of the shard is not on record"]);
        let last = [begin(0), end(0), phase(Phase::Capture), phase(Phase::Done)];
        assert_eq!(details(&last, false), ["events: the capture after the load is not on record"]);
        let orphans = details(&[read(1, 4)], false);
        assert_eq!(orphans, ["events: read 1 belongs to capture 4, which is not under way"]);
    }
}
