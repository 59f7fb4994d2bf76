//! The writers and their service in virtual time: the same state machines, with seeded message delays. It
//! reads no clock and never sleeps. Two worlds with the same configuration and seed are identical to the last
//! byte.

use super::config::Config;
use super::messages::{Call, Mode, Queue, Reply};
use super::node_log::NodeEvent;
use super::persist::Row;
use super::service::Service;
use super::truth::{ShardMove, Truth};
use super::writer::{Progress, Writer};
use crate::error::Error;
use crate::host::{Direction, HostFault, MILLISECOND, RESEND};
use crate::value::Entry;
use crate::virtual_time::VirtualTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A writer's host. Delays belong to the slot, so they outlive the process.
#[derive(Default)]
struct Slot {
    writer: Option<Writer>,
    incarnation: u64,
    /// The maximum extra delay by queue, in milliseconds.
    delays: BTreeMap<Queue, u64>,
    /// When the latest timestamp reaches the writer's input.
    reached_at: u64,
}

/// A scheduled event. An event for a dead process is dropped, but what such a process has sent still arrives.
/// So a restarted writer can meet an append of its own previous incarnation.
enum Due {
    /// The service's clock ticks.
    Tick,
    Reach {
        writer: usize,
        upper: u64,
    },
    Poll {
        writer: usize,
        incarnation: u64,
        queue: Queue,
    },
    Call(Call),
    /// The writer sends a call again, because it or its answer was lost.
    Resend(Call),
    Reply {
        writer: usize,
        incarnation: u64,
        queue: Queue,
        reply: Reply,
    },
}

impl Due {
    /// The writer whose process must run to receive the event.
    fn receiver(&self) -> Option<usize> {
        match self {
            Due::Poll { writer, .. } | Due::Reply { writer, .. } => Some(*writer),
            Due::Resend(call) => Some(call.writer),
            Due::Tick | Due::Reach { .. } | Due::Call(_) => None,
        }
    }
}

/// The writers and their service in virtual time.
pub struct World {
    config: Config,
    service: Service,
    slots: Vec<Slot>,
    time: VirtualTime<Due>,
    truth: Truth,
}

impl World {
    /// A world at time 0 whose active writers are starting. Fails if the settings are unusable.
    pub fn new(config: Config, seed: u64) -> Result<Self, Error> {
        config.check()?;
        let mut world = World {
            service: Service::new(&config),
            slots: config.writers.iter().map(|_| Slot::default()).collect(),
            time: VirtualTime::new(seed, config.poll_ms),
            truth: Truth::default(),
            config,
        };
        world.time.after(world.config.tick_ms * MILLISECOND, Due::Tick);
        (0..world.config.active).for_each(|writer| world.boot(writer, Mode::ReadWrite));
        Ok(world)
    }

    /// The current virtual time, in nanoseconds.
    pub fn now(&self) -> u64 {
        self.time.now()
    }

    /// When the next event happens, in nanoseconds. Never None, because the service's clock always ticks.
    pub fn next_at(&self) -> Option<u64> {
        self.time.next_at()
    }

    /// Runs all events up to and including `to`, and sets the clock to `to`.
    pub fn advance(&mut self, to: u64) {
        while let Some(due) = self.time.next(to, Due::receiver) {
            self.handle(due);
        }
    }

    /// Appends an entry, a whole row or a tombstone, to the input log and returns its offset.
    pub fn produce(&mut self, entry: Entry) -> u64 {
        self.service.produce(entry)
    }

    /// The input log from an offset on; empty beyond the end.
    pub fn log(&self, from: u64) -> &[Arc<Entry>] {
        self.service.log(from)
    }

    /// The map from offsets to timestamps: for each timestamp, from 0, one past the last offset with this
    /// timestamp or an earlier one. Its length is the end of the input as a timestamp.
    pub fn bindings(&self) -> &[u64] {
        self.service.remap().ends()
    }

    /// The shard's frontier: the lowest timestamp that is not complete.
    pub fn shard_upper(&self) -> u64 {
        self.service.shard().upper()
    }

    /// The shard's rows as of a timestamp, ordered by key. None if the timestamp is not complete.
    pub fn contents(&self, as_of: u64) -> Option<Vec<Row>> {
        self.service.shard().contents(as_of)
    }

    /// A writer's own report. None while it is down or paused.
    pub fn progress(&self, writer: &str) -> Option<Progress> {
        let writer = self.config.writer(writer).ok()?;
        let running = self.slots[writer].writer.as_ref().filter(|_| !self.time.is_paused(writer));
        running.map(Writer::progress)
    }

    /// Whether this writer will never append again. No writer reports this, so tests compare a black-box
    /// conclusion with it.
    pub fn stranded(&self, writer: &str) -> bool {
        let writer = self.config.writer(writer).ok().and_then(|at| self.slots[at].writer.as_ref());
        writer.is_some_and(|writer| writer.stranded().is_some())
    }

    /// What really happened so far, for tests.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The events of a writer's log with numbers from `since` on. Nothing while it is down or paused.
    pub fn events(&self, writer: &str, since: u64) -> &[NodeEvent] {
        let at = self.config.writer(writer).ok().filter(|at| !self.time.is_paused(*at));
        let running = at.and_then(|at| self.slots[at].writer.as_ref());
        running.map(|running| running.events(since)).unwrap_or_default()
    }

    /// The events of the service's log with numbers from `since` on.
    pub fn service_events(&self, since: u64) -> &[NodeEvent] {
        self.service.events(since)
    }

    /// Starts a writer unless it is running.
    pub fn start(&mut self, writer: &str, mode: Mode) -> Result<(), Error> {
        let writer = self.config.writer(writer)?;
        if self.slots[writer].writer.is_none() {
            self.boot(writer, mode);
        }
        Ok(())
    }

    /// Lets a read-only writer append.
    pub fn promote(&mut self, writer: &str) -> Result<(), Error> {
        let writer = self.config.writer(writer)?;
        if let Some(writer) = &mut self.slots[writer].writer {
            writer.promote();
        }
        Ok(())
    }

    /// Kills a writer, paused or not. Does nothing if it is down.
    pub fn kill(&mut self, writer: &str) -> Result<(), Error> {
        let writer = self.config.writer(writer)?;
        self.slots[writer].writer = None;
        self.time.end(writer);
        Ok(())
    }

    /// Pauses a writer: it does nothing and answers nobody until [`World::resume`].
    pub fn pause(&mut self, writer: &str) -> Result<(), Error> {
        let writer = self.config.writer(writer)?;
        self.time.pause(writer);
        Ok(())
    }

    /// Resumes a writer, which first receives everything that arrived while it was paused, in order.
    pub fn resume(&mut self, writer: &str) -> Result<(), Error> {
        let writer = self.config.writer(writer)?;
        self.time.resume(writer);
        Ok(())
    }

    /// Adds or replaces what is wrong with a writer's machine under a name, or removes it. Fails for a writer
    /// that was never started.
    pub fn set_host(&mut self, writer: &str, name: &str, fault: Option<HostFault>) -> Result<(), Error> {
        let at = self.config.writer(writer)?;
        if self.slots[at].incarnation == 0 {
            return Err(Error::Request(format!("{writer} was never started")));
        }
        self.time.set_host(at, name, fault);
        Ok(())
    }

    /// Keeps a writer's input this many timestamps behind; 0 removes the lag.
    pub fn lag(&mut self, writer: &str, timestamps: u64) -> Result<(), Error> {
        let writer = self.config.writer(writer)?;
        self.service.lag(writer, timestamps);
        Ok(())
    }

    /// Delays everything on one of a writer's queues by up to `ms` milliseconds; 0 removes the delay.
    pub fn delay(&mut self, writer: &str, queue: Queue, ms: u64) -> Result<(), Error> {
        let writer = self.config.writer(writer)?;
        self.slots[writer].delays.insert(queue, ms);
        Ok(())
    }

    fn boot(&mut self, writer: usize, mode: Mode) {
        let (slot, name) = (&mut self.slots[writer], &self.config.writers[writer]);
        slot.incarnation += 1;
        let incarnation = slot.incarnation;
        slot.writer = Some(Writer::new(self.config.rule, (writer, name), incarnation, mode));
        for queue in Queue::ALL {
            self.time.poll_later(writer, Due::Poll { writer, incarnation, queue });
        }
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Tick => self.tick(),
            Due::Reach { writer, upper } => self.service.reach(writer, upper),
            Due::Poll { writer, incarnation, queue } => self.poll(writer, incarnation, queue),
            Due::Call(call) => {
                let (writer, incarnation, queue) = (call.writer, call.incarnation, call.ask.queue());
                let longer = self.time.travel(writer, Direction::Incoming);
                let lost = longer.is_none().then(|| call.clone());
                let reply = self.call(call);
                let late = if queue == Queue::Feedback { self.delayed(writer, queue) } else { 0 };
                match lost {
                    Some(call) => self.time.after(RESEND, Due::Resend(call)),
                    None => self
                        .time
                        .send(late + longer.unwrap_or(0), Due::Reply { writer, incarnation, queue, reply }),
                }
            }
            Due::Resend(call) => {
                if alive(&mut self.slots, call.writer, call.incarnation).is_some() {
                    self.send(0, call);
                }
            }
            Due::Reply { writer, incarnation, queue, reply } => {
                if let Some(process) = alive(&mut self.slots, writer, incarnation) {
                    process.receive(reply, self.time.clock(writer));
                    if let Some(ts) = process.stranded() {
                        self.truth.note_stranded(&self.config.writers[writer], incarnation, ts);
                    }
                    self.time.poll_later(writer, Due::Poll { writer, incarnation, queue });
                }
            }
        }
    }

    /// Carries out a request, and notes whether it moved the shard.
    fn call(&mut self, call: Call) -> Reply {
        let (writer, incarnation) = (self.config.writers[call.writer].clone(), call.incarnation);
        let (at, from) = (self.time.now(), self.service.shard().upper());
        let reply = self.service.call(call, at);
        let to = self.service.shard().upper();
        if from < to {
            self.truth.moves.push(ShardMove { writer, incarnation, from, to, at });
        }
        reply
    }

    fn poll(&mut self, writer: usize, incarnation: u64, queue: Queue) {
        let Some(process) = alive(&mut self.slots, writer, incarnation) else {
            return;
        };
        match process.poll(queue) {
            Some(call) => {
                let work = if queue == Queue::Append { self.append_time(writer) } else { 0 };
                self.send(work, call);
            }
            None => {
                self.time.poll_later(writer, Due::Poll { writer, incarnation, queue });
            }
        }
    }

    fn send(&mut self, work: u64, call: Call) {
        match self.time.travel(call.writer, Direction::Outgoing) {
            Some(longer) => self.time.send(work + longer, Due::Call(call)),
            None => self.time.after(RESEND, Due::Resend(call)),
        }
    }

    /// Each timestamp may reach a writer late, but none overtakes another.
    fn tick(&mut self) {
        let upper = self.service.tick();
        for writer in 0..self.slots.len() {
            let at = self.time.now() + self.delayed(writer, Queue::Input);
            let slot = &mut self.slots[writer];
            slot.reached_at = slot.reached_at.max(at);
            let late = slot.reached_at - self.time.now();
            self.time.after(late, Due::Reach { writer, upper });
        }
        self.time.after(self.config.tick_ms * MILLISECOND, Due::Tick);
    }

    /// How long an append takes before it is in the shard.
    fn append_time(&mut self, writer: usize) -> u64 {
        self.time.below(self.config.append_ms * MILLISECOND + 1) + self.delayed(writer, Queue::Append)
    }

    fn delayed(&mut self, writer: usize, queue: Queue) -> u64 {
        let ms = self.slots[writer].delays.get(&queue).copied().unwrap_or(0);
        self.time.below(ms * MILLISECOND + 1)
    }
}

fn alive(slots: &mut [Slot], writer: usize, incarnation: u64) -> Option<&mut Writer> {
    slots[writer].writer.as_mut().filter(|process| process.incarnation() == incarnation)
}
