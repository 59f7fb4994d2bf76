//! Sessions: one op per key at a time, in order. An op whose key is in flight waits in that key's queue. Its
//! latency still counts from when it was due (open loop).
//!
//! A session retires its key where an op has an unknown outcome and no log will tell it (`RULES.md` 12): the
//! op may still take effect, after any later one.

use super::stage::Stage;
use super::{Command, Conductor};
use crate::generator::delivery::Delivery;
use crate::history::event::{Event, Op};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// The keys in flight, and the ops that wait for them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    in_flight: HashMap<u64, (u32, Arc<str>)>,
    waiting: HashMap<Arc<str>, VecDeque<Op>>,
    retired: HashSet<Arc<str>>,
}

impl Sessions {
    /// Takes an op, and returns it if it is to be written now. An op of a retired key is dropped.
    pub(super) fn offer(&mut self, op: Op) -> Option<Op> {
        if self.retired.contains(&op.key) {
            return None;
        }
        match self.waiting.get_mut(&op.key) {
            Some(queue) => {
                queue.push_back(op);
                None
            }
            None => {
                self.waiting.insert(Arc::clone(&op.key), VecDeque::new());
                self.in_flight.insert(op.id, (op.partition, Arc::clone(&op.key)));
                Some(op)
            }
        }
    }

    /// Takes the answer to an op, which retires the key if it leaves the op undecided. Returns its
    /// partition and the next op of its key; `None` if it was not in flight.
    pub(super) fn complete(&mut self, op: u64, is_undecided: bool) -> Option<(u32, Option<Op>)> {
        let (partition, key) = self.in_flight.remove(&op)?;
        if is_undecided {
            self.waiting.get_mut(&key).into_iter().for_each(VecDeque::clear);
            self.retired.insert(key.clone());
        }
        let next = self.waiting.get_mut(&key).and_then(VecDeque::pop_front);
        match &next {
            Some(op) => {
                self.in_flight.insert(op.id, (op.partition, key));
            }
            None => {
                self.waiting.remove(&key);
            }
        }
        Some((partition, next))
    }

    /// Whether no op is in flight. Then none waits either.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Drops the ops that wait and were never sent.
    pub(super) fn drop_waiting(&mut self) {
        self.waiting.values_mut().for_each(VecDeque::clear);
    }
}

impl Conductor {
    /// Takes an op, and sends it unless one of its key is in flight.
    pub(super) fn offer(&mut self, op: Op, out: &mut Vec<Command>) {
        self.last_id = self.last_id.max(op.id);
        if let Some(op) = self.sessions.offer(op) {
            self.write(op, out);
        }
    }

    /// Sends an op. Only those of the load are lost or sent twice.
    pub(super) fn write(&self, op: Op, out: &mut Vec<Command>) {
        let delivery = match self.stage {
            Stage::Load | Stage::Drain => self.generator.delivery(op.id),
            _ => Delivery::Once,
        };
        write(op, delivery, out);
    }
}

/// Sends an op in this way.
pub(super) fn write(op: Op, delivery: Delivery, out: &mut Vec<Command>) {
    out.push(Command::Record(Event::Invoke { op: op.clone() }));
    out.push(Command::Write(op, delivery));
}
