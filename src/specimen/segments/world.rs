//! A cluster in virtual time: the same state machines, with seeded message delays. It reads no clock and
//! never sleeps. Two worlds with the same configuration and seed are identical to the last byte.

use super::config::Config;
use super::controller::{Controller, Hold, Segment};
use super::copy::{Coverage, StoredCopy};
use super::lifecycle::Event;
use super::messages::{Ask, Call, Reply, SegmentId};
use super::server::{Action, Server};
use super::shared_work::SharedWork;
use super::truth::{MergeTruth, ServerTruth};
use super::upsert::Flag;
use crate::error::Error;
use crate::host::{Direction, HostFault, RESEND};
use crate::value::{Entry, Value};
use crate::virtual_time::VirtualTime;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A machine. Its disk outlives the server's process.
#[derive(Default)]
struct Machine {
    server: Option<Server>,
    incarnation: u64,
    disk: BTreeMap<SegmentId, StoredCopy>,
    /// Copies that the process could not store, because the disk was full. It tries again.
    unkept: Vec<StoredCopy>,
    /// What happened in the incarnations that were killed.
    past: MergeTruth,
}

/// A scheduled event. An event for a dead process is dropped.
enum Due {
    Poll {
        server: usize,
        incarnation: u64,
    },
    Call(Call),
    /// The server sends a call again, because it or its answer was lost.
    Resend(Call),
    Reply {
        server: usize,
        incarnation: u64,
        polls: bool,
        reply: Reply,
    },
}

impl Due {
    fn receiver(&self) -> Option<usize> {
        match self {
            Due::Poll { server, .. } | Due::Reply { server, .. } => Some(*server),
            Due::Resend(call) => Some(call.server),
            Due::Call(_) => None,
        }
    }
}

/// A cluster in virtual time.
pub struct World {
    config: Arc<Config>,
    defaults: Vec<Value>,
    controller: Controller,
    machines: Vec<Machine>,
    shared: SharedWork,
    time: VirtualTime<Due>,
}

impl World {
    /// A cluster at time 0 whose servers are starting. Fails if the settings are unusable.
    pub fn new(config: Config, seed: u64) -> Result<Self, Error> {
        config.check()?;
        let config = Arc::new(config);
        let mut world = World {
            defaults: config.defaults(),
            controller: Controller::new(Arc::clone(&config), 0),
            machines: config.servers.iter().map(|_| Machine::default()).collect(),
            shared: SharedWork::default(),
            time: VirtualTime::new(seed, config.poll_ms),
            config,
        };
        (0..world.machines.len()).for_each(|server| world.boot(server));
        Ok(world)
    }

    /// The current virtual time, in nanoseconds.
    pub fn now(&self) -> u64 {
        self.time.now()
    }

    /// When the next event happens, in nanoseconds. None if all servers are down.
    pub fn next_at(&self) -> Option<u64> {
        self.time.next_at()
    }

    /// Runs all events up to and including `to`, and sets the clock to `to`.
    pub fn advance(&mut self, to: u64) {
        while let Some(due) = self.time.next(to, Due::receiver) {
            self.handle(due);
        }
    }

    /// Appends an entry to a partition's log and returns its offset. Fails for an unknown partition.
    pub fn produce(&mut self, partition: u32, entry: Entry) -> Result<u64, Error> {
        self.controller.produce(partition, entry)
    }

    /// A partition's log from an offset on; empty beyond the end. Fails for an unknown partition.
    pub fn log(&self, partition: u32, from: u64) -> Result<&[Arc<Entry>], Error> {
        self.controller.log(partition, from)
    }

    /// One past the last offset of each partition's log.
    pub fn log_ends(&self) -> Vec<u64> {
        self.controller.log_ends()
    }

    /// All segments, ordered by partition and sequence number.
    pub fn segments(&self) -> Vec<Segment> {
        self.controller.segments()
    }

    /// Changes whenever [`World::segments`] does. Never 0.
    pub fn segments_version(&self) -> u64 {
        self.controller.segments_version()
    }

    /// Seals every non-empty consuming segment and returns the names.
    pub fn force_commit(&mut self) -> Vec<String> {
        self.controller.force_commit()
    }

    /// Sets the server that wins all further commits of a partition. With None the first reporter wins.
    pub fn commit_winner(&mut self, partition: u32, server: Option<&str>) -> Result<(), Error> {
        self.controller.commit_winner(partition, server)
    }

    /// Sets a hold. Fails for an unknown server or partition.
    pub fn hold(&mut self, hold: Hold) -> Result<(), Error> {
        self.controller.hold(hold)
    }

    /// Removes the hold with this id, if there is one.
    pub fn release(&mut self, id: &str) {
        self.controller.release(id);
    }

    /// The active holds, ordered by id.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.controller.holds()
    }

    /// Kills a server's process; its disk stays. Does nothing if the server is down.
    pub fn kill(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        let machine = &mut self.machines[server];
        if let Some(process) = machine.server.take() {
            machine.past.extend(process.truth().clone());
            machine.unkept.clear();
        }
        self.time.end(server);
        Ok(())
    }

    /// Pauses a server: it does nothing and answers nobody until [`World::resume`].
    pub fn pause(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        self.time.pause(server);
        Ok(())
    }

    /// Resumes a server, which first receives everything that arrived while it was paused, in order.
    pub fn resume(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        self.time.resume(server);
        Ok(())
    }

    /// Adds or replaces what is wrong with a server's machine under a name, or removes it.
    pub fn set_host(&mut self, server: &str, name: &str, fault: Option<HostFault>) -> Result<(), Error> {
        self.time.set_host(self.config.server(server)?, name, fault);
        Ok(())
    }

    /// Starts a server's process unless it is running.
    pub fn start(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        if self.machines[server].server.is_none() {
            self.boot(server);
        }
        Ok(())
    }

    /// What a server holds. None while it is down or paused.
    pub fn coverage(&self, server: &str) -> Option<Coverage> {
        self.running(server).map(Server::coverage)
    }

    /// Raw rows of a segment with offsets in `from..to`, each with its document number. None if the server is
    /// down, paused, or does not hold the segment. [`Entry::shown`] gives the values as a reader sees them.
    pub fn rows(
        &self,
        server: &str,
        segment: &str,
        from: u64,
        to: u64,
    ) -> Option<impl Iterator<Item = (u64, &Arc<Entry>)>> {
        let id = SegmentId::parse(&self.config.table, segment)?;
        self.running(server)?.rows(id, from, to)
    }

    /// The value that raw rows show in each column that was never set.
    pub fn defaults(&self) -> &[Value] {
        &self.defaults
    }

    /// A partition's current view on a server: its version, the server's incarnation, and the flags that
    /// changed after version `since`, in order of their keys. None while the server is down or paused. A new
    /// incarnation starts at version 0.
    pub fn current(&self, server: &str, partition: u32, since: u64) -> Option<(u64, u64, Vec<Flag>)> {
        let server = self.running(server)?;
        let (version, flags) = server.current(partition, since);
        Some((version, server.incarnation(), flags))
    }

    /// A server's events from number `since` on. None while the server is down or paused.
    pub fn events(&self, server: &str, since: u64) -> Option<&[Event]> {
        self.running(server).map(|server| server.events(since))
    }

    /// The controller's events from number `since` on.
    pub fn controller_events(&self, since: u64) -> &[Event] {
        self.controller.events(since)
    }

    /// What really happened on each server, whatever it logged.
    pub fn truth(&self) -> BTreeMap<String, ServerTruth> {
        let segments = self.segments();
        let wrong = |truth: &MergeTruth, partition| {
            let log = self.controller.log(partition, 0).unwrap_or_default();
            let keys: Vec<&str> = log.iter().map(|entry| &*entry.key).collect();
            let of_partition = segments.iter().filter(|segment| segment.partition == partition);
            let starts: Vec<(&str, u64)> =
                of_partition.map(|segment| (segment.name.as_str(), segment.start)).collect();
            truth.wrong_rows(partition, &keys, &starts)
        };
        let whole = |(name, machine): (&String, &Machine)| {
            let mut truth = machine.past.clone();
            truth.extend(machine.server.as_ref().map(|server| server.truth().clone()).unwrap_or_default());
            let wrong = (0..self.config.partitions).flat_map(|partition| wrong(&truth, partition)).collect();
            (name.clone(), ServerTruth { truth, wrong })
        };
        self.config.servers.iter().zip(&self.machines).map(whole).collect()
    }

    fn running(&self, server: &str) -> Option<&Server> {
        let server = self.config.server(server).ok()?;
        self.machines[server].server.as_ref().filter(|_| !self.time.is_paused(server))
    }

    fn boot(&mut self, server: usize) {
        let now = self.time.clock(server);
        let machine = &mut self.machines[server];
        machine.incarnation += 1;
        let incarnation = machine.incarnation;
        let of_all = (Arc::clone(&self.config), self.shared.clone());
        machine.server = Some(Server::new(of_all, (server, incarnation), now, machine.disk.clone()));
        self.time.poll_later(server, Due::Poll { server, incarnation });
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Poll { server, incarnation } => {
                if alive(&mut self.machines, server, incarnation).is_some() {
                    let unkept = std::mem::take(&mut self.machines[server].unkept);
                    self.carry_out(server, unkept.into_iter().map(Action::Keep).collect());
                }
                if let Some(process) = alive(&mut self.machines, server, incarnation) {
                    let call = process.poll();
                    self.send(0, call);
                }
            }
            Due::Call(call) => {
                let (server, incarnation) = (call.server, call.incarnation);
                let polls = matches!(call.ask, Ask::Poll(_));
                let longer = self.time.travel(server, Direction::Incoming);
                let lost = longer.is_none().then(|| call.clone());
                let reply = self.controller.call(self.time.now(), call);
                match lost {
                    Some(call) => self.time.after(RESEND, Due::Resend(call)),
                    None => {
                        self.time.send(longer.unwrap_or(0), Due::Reply { server, incarnation, polls, reply })
                    }
                }
            }
            Due::Resend(call) => {
                if alive(&mut self.machines, call.server, call.incarnation).is_some() {
                    self.send(0, call);
                }
            }
            Due::Reply { server, incarnation, polls, reply } => {
                self.deliver(server, incarnation, reply);
                if polls {
                    self.time.poll_later(server, Due::Poll { server, incarnation });
                }
            }
        }
    }

    fn send(&mut self, work: u64, call: Call) {
        match self.time.travel(call.server, Direction::Outgoing) {
            Some(longer) => self.time.send(work + longer, Due::Call(call)),
            None => self.time.after(RESEND, Due::Resend(call)),
        }
    }

    fn deliver(&mut self, server: usize, incarnation: u64, reply: Reply) {
        let Some(process) = alive(&mut self.machines, server, incarnation) else {
            return;
        };
        let mut actions = Vec::new();
        process.receive(self.time.clock(server), reply, &mut actions);
        self.carry_out(server, actions.into());
    }

    /// Carries out the effects of a server's step, and what follows once a copy is stored.
    fn carry_out(&mut self, server: usize, mut actions: VecDeque<Action>) {
        let (now, is_full) = (self.time.clock(server), self.time.is_disk_full(server));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Call(call) => self.send(self.time.lateness(server), call),
                Action::Keep(copy) if is_full => self.machines[server].unkept.push(copy),
                Action::Keep(copy) => {
                    let machine = &mut self.machines[server];
                    let mut then = Vec::new();
                    machine.server.iter_mut().for_each(|process| process.kept(now, &copy, &mut then));
                    machine.disk.insert(copy.stored.segment, copy);
                    actions.extend(then);
                }
            }
        }
    }
}

fn alive(machines: &mut [Machine], server: usize, incarnation: u64) -> Option<&mut Server> {
    machines[server].server.as_mut().filter(|process| process.incarnation() == incarnation)
}
