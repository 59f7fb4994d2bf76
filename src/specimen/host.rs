//! The machine of a replica: what is wrong with it, whichever process runs there. It outlives the process, so
//! a restarted replica finds it as it was.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One millisecond, in nanoseconds.
pub(crate) const MILLISECOND: u64 = 1_000_000;
/// One second, in nanoseconds.
const SECOND: u64 = 1_000 * MILLISECOND;

/// Something that is wrong with a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostFault {
    /// No message passes, either way.
    Partition,
    /// No message reaches it.
    CutIncoming,
    /// No message leaves it.
    CutOutgoing,
    /// Each message takes up to so many milliseconds longer.
    DelayMs(u64),
    /// So many percent of the messages are lost.
    DropPercent(u64),
    /// So many messages pass in a second, both ways together. The others wait for their turn.
    ThrottlePerSecond(u64),
    /// Its processes take so many times as long.
    Slow(u64),
    /// Its wall clock is ahead by so many milliseconds, or behind if negative.
    ClockMs(i64),
    /// No file can be written.
    DiskFull,
}

/// The way of a message, as the machine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Incoming,
    Outgoing,
}

/// The path of a machine's messages, as far as it remembers them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    /// When the next message may pass, in nanoseconds.
    free: u64,
}

/// A process sends a call again so long after it or its answer was lost, in nanoseconds.
pub(crate) const RESEND: u64 = 200 * MILLISECOND;

/// What is wrong with a machine, by the name that whoever did it gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Host(BTreeMap<String, HostFault>);

impl Host {
    /// Adds or replaces what is wrong under a name, or removes it.
    pub(crate) fn set(&mut self, name: &str, fault: Option<HostFault>) {
        match fault {
            Some(fault) => self.0.insert(name.to_owned(), fault),
            None => self.0.remove(name),
        };
    }

    /// How much longer a message takes that is sent `now`, in nanoseconds. None if it is lost. `below` draws
    /// a random number.
    pub(crate) fn travel(
        &self,
        way: Direction,
        now: u64,
        link: &mut Link,
        mut below: impl FnMut(u64) -> u64,
    ) -> Option<u64> {
        let mut longer = 0;
        for fault in self.0.values() {
            let passes = match *fault {
                HostFault::Partition => false,
                HostFault::CutIncoming => way != Direction::Incoming,
                HostFault::CutOutgoing => way != Direction::Outgoing,
                HostFault::DelayMs(ms) => {
                    longer += below(ms * MILLISECOND + 1);
                    true
                }
                HostFault::DropPercent(percent) => below(100) >= percent,
                HostFault::ThrottlePerSecond(messages) => {
                    let turn = link.free.max(now);
                    link.free = turn + SECOND / messages.max(1);
                    longer += turn - now;
                    true
                }
                HostFault::Slow(_) | HostFault::ClockMs(_) | HostFault::DiskFull => true,
            };
            if !passes {
                return None;
            }
        }
        Some(longer)
    }

    /// Whether no file can be written.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.0.values().any(|fault| *fault == HostFault::DiskFull)
    }

    /// What its wall clock shows when it is `now`, in nanoseconds.
    pub(crate) fn clock(&self, now: u64) -> u64 {
        let ahead = self.0.values().map(|fault| match fault {
            HostFault::ClockMs(ms) => ms.saturating_mul(MILLISECOND.cast_signed()),
            _ => 0,
        });
        now.saturating_add_signed(ahead.fold(0, i64::saturating_add))
    }

    /// How many times as long its processes take: 1 at full speed.
    pub(crate) fn times(&self) -> u64 {
        let slow = self.0.values().filter_map(|fault| match fault {
            HostFault::Slow(times) => Some(*times),
            _ => None,
        });
        slow.max().unwrap_or(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_passes_what_is_wrong_under_every_name() {
        let way = |host: &Host, way| host.travel(way, 0, &mut Link::default(), |bound| bound - 1);
        let mut host = Host::default();
        host.set("slow", Some(HostFault::DelayMs(3)));
        assert_eq!(way(&host, Direction::Incoming), Some(3 * MILLISECOND));
        host.set("lossy", Some(HostFault::DropPercent(99)));
        assert_eq!(way(&host, Direction::Incoming), Some(3 * MILLISECOND), "the draw is 99 of 100");
        assert_eq!(host.travel(Direction::Incoming, 0, &mut Link::default(), |_| 0), None);
        host.set("lossy", None);
        host.set("deaf", Some(HostFault::CutIncoming));
        assert_eq!(
            (way(&host, Direction::Incoming), way(&host, Direction::Outgoing).is_some()),
            (None, true)
        );
        host.set("deaf", Some(HostFault::CutOutgoing));
        assert_eq!(
            (way(&host, Direction::Incoming).is_some(), way(&host, Direction::Outgoing)),
            (true, None)
        );
        host.set("deaf", Some(HostFault::Partition));
        assert_eq!((way(&host, Direction::Incoming), way(&host, Direction::Outgoing)), (None, None));
    }

    #[test]
    fn a_throttled_message_waits_for_its_turn_whichever_way_it_goes() {
        let (mut host, mut link) = (Host::default(), Link::default());
        host.set("narrow", Some(HostFault::ThrottlePerSecond(4)));
        let mut at = |ms: u64, way| host.travel(way, ms * MILLISECOND, &mut link, |_| 0);
        let waits = [
            at(0, Direction::Incoming),
            at(10, Direction::Outgoing),
            at(20, Direction::Incoming),
            at(2_000, Direction::Incoming),
        ];
        assert_eq!(waits, [0, 240, 480, 0].map(|ms| Some(ms * MILLISECOND)));
    }

    #[test]
    fn the_slowest_of_several_faults_counts_and_without_one_it_runs_at_full_speed() {
        let mut host = Host::default();
        host.set("cut", Some(HostFault::Partition));
        assert_eq!(host.times(), 1);
        host.set("some", Some(HostFault::Slow(3)));
        host.set("more", Some(HostFault::Slow(8)));
        assert_eq!(host.times(), 8);
        host.set("more", None);
        assert_eq!(host.times(), 3);
    }

    #[test]
    fn a_clock_is_wrong_by_all_that_is_wrong_with_it_and_never_before_its_beginning() {
        let mut host = Host::default();
        assert_eq!(host.clock(7), 7);
        host.set("a", Some(HostFault::ClockMs(3)));
        host.set("b", Some(HostFault::ClockMs(-1)));
        assert_eq!(host.clock(7), 7 + 2 * MILLISECOND);
        host.set("a", None);
        assert_eq!(host.clock(7), 0);
    }
}
