//! A cluster in virtual time: the same state machines, with calls that take seeded times to arrive. Nothing
//! here reads a clock or sleeps; two worlds of one configuration and seed do the same to the last byte.

use super::config::Config;
use super::controller::{Controller, Hold, Segment};
use super::copy::{Coverage, StoredCopy};
use super::lifecycle::Event;
use super::messages::{Ask, Call, Reply, SegmentId};
use super::server::{Action, Server};
use super::upsert::Flag;
use crate::error::Error;
use crate::value::{Entry, Value};
use crate::virtual_time::VirtualTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A machine: its disk outlives the server's process.
#[derive(Default)]
struct Machine {
    server: Option<Server>,
    incarnation: u64,
    disk: BTreeMap<SegmentId, StoredCopy>,
}

/// Something that is due. What was meant for a process that is gone is dropped.
enum Due {
    /// A server polls.
    Poll { server: usize, incarnation: u64 },
    /// A call reaches the controller.
    Call(Call),
    /// An answer reaches its server.
    Reply { server: usize, incarnation: u64, polls: bool, reply: Reply },
}

impl Due {
    /// The server that it is for.
    fn receiver(&self) -> Option<usize> {
        match self {
            Due::Poll { server, .. } | Due::Reply { server, .. } => Some(*server),
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
    time: VirtualTime<Due>,
}

impl World {
    /// A cluster at time 0 whose servers are just coming up.
    pub fn new(config: Config, seed: u64) -> Result<Self, Error> {
        config.check()?;
        let config = Arc::new(config);
        let mut world = World {
            defaults: config.defaults(),
            controller: Controller::new(Arc::clone(&config)),
            machines: config.servers.iter().map(|_| Machine::default()).collect(),
            time: VirtualTime::new(seed, config.poll_ms),
            config,
        };
        (0..world.machines.len()).for_each(|server| world.boot(server));
        Ok(world)
    }

    /// The present, in nanoseconds.
    pub fn now(&self) -> u64 {
        self.time.now()
    }

    /// When the next thing happens; nothing ever does if all servers are down.
    pub fn next_at(&self) -> Option<u64> {
        self.time.next_at()
    }

    /// Lets everything happen that is due up to and at `to`, which becomes the present.
    pub fn advance(&mut self, to: u64) {
        while let Some(due) = self.time.next(to, Due::receiver) {
            self.happen(due);
        }
    }

    /// Appends an entry to a partition's log and returns its offset.
    pub fn produce(&mut self, partition: u32, entry: Entry) -> Result<u64, Error> {
        self.controller.produce(partition, entry)
    }

    /// A partition's log from an offset on.
    pub fn log(&self, partition: u32, from: u64) -> Result<&[Arc<Entry>], Error> {
        self.controller.log(partition, from)
    }

    /// One past the last offset of every partition's log.
    pub fn log_ends(&self) -> Vec<u64> {
        self.controller.log_ends()
    }

    /// All segments, by partition, then sequence.
    pub fn segments(&self) -> Vec<Segment> {
        self.controller.segments()
    }

    /// Seals every consuming segment that has an entry; returns their names.
    pub fn force_commit(&mut self) -> Vec<String> {
        self.controller.force_commit()
    }

    /// Names the server that wins the commits of a partition, or none.
    pub fn commit_winner(&mut self, partition: u32, server: Option<&str>) -> Result<(), Error> {
        self.controller.commit_winner(partition, server)
    }

    /// Puts a hold in force.
    pub fn hold(&mut self, hold: Hold) -> Result<(), Error> {
        self.controller.hold(hold)
    }

    /// Lifts a hold, if there is one of this id.
    pub fn release(&mut self, id: &str) {
        self.controller.release(id);
    }

    /// The holds in force, by id.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.controller.holds()
    }

    /// Ends a server's process at once; its disk stays. Ending one that is down changes nothing.
    pub fn kill(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        self.machines[server].server = None;
        self.time.end(server);
        Ok(())
    }

    /// Stops a server: until it is resumed it does nothing and answers nobody.
    pub fn pause(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        self.time.pause(server);
        Ok(())
    }

    /// Lets a paused server go on, with everything that reached it meanwhile, in order.
    pub fn resume(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        self.time.resume(server);
        Ok(())
    }

    /// Starts a server's process, unless it is running.
    pub fn start(&mut self, server: &str) -> Result<(), Error> {
        let server = self.config.server(server)?;
        if self.machines[server].server.is_none() {
            self.boot(server);
        }
        Ok(())
    }

    /// What a server holds; none while it is down or paused.
    pub fn coverage(&self, server: &str) -> Option<Coverage> {
        self.running(server).map(Server::coverage)
    }

    /// Raw rows of a segment with offsets in `from..to`, with the document number of the first; none if
    /// the server is down or does not hold the segment. Show values with [`Entry::shown`].
    pub fn rows(&self, server: &str, segment: &str, from: u64, to: u64) -> Option<(u64, &[Arc<Entry>])> {
        let id = SegmentId::parse(&self.config.table, segment)?;
        self.running(server)?.rows(id, from, to)
    }

    /// What raw rows show in each column that was never given a value.
    pub fn defaults(&self) -> &[Value] {
        &self.defaults
    }

    /// A partition's current view on a server: its version, the server's incarnation, and the flags that
    /// changed after version `since`; none while it is down or paused. A new incarnation starts from
    /// version 0.
    pub fn current(&self, server: &str, partition: u32, since: u64) -> Option<(u64, u64, Vec<Flag>)> {
        let server = self.running(server)?;
        let (version, flags) = server.current(partition, since);
        Some((version, server.incarnation(), flags))
    }

    /// A server's own log from line `since` on; none while it is down or paused.
    pub fn events(&self, server: &str, since: u64) -> Option<&[Event]> {
        self.running(server).map(|server| server.events(since))
    }

    fn running(&self, server: &str) -> Option<&Server> {
        let server = self.config.server(server).ok()?;
        self.machines[server].server.as_ref().filter(|_| !self.time.is_paused(server))
    }

    fn boot(&mut self, server: usize) {
        let machine = &mut self.machines[server];
        machine.incarnation += 1;
        let incarnation = machine.incarnation;
        machine.server =
            Some(Server::new(Arc::clone(&self.config), server, incarnation, machine.disk.clone()));
        self.time.poll_later(Due::Poll { server, incarnation });
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Poll { server, incarnation } => {
                if let Some(process) = alive(&mut self.machines, server, incarnation) {
                    let call = process.poll();
                    self.time.send(0, Due::Call(call));
                }
            }
            Due::Call(call) => {
                let (server, incarnation) = (call.server, call.incarnation);
                let polls = matches!(call.ask, Ask::Poll(_));
                let reply = self.controller.call(self.time.now(), call);
                self.time.send(0, Due::Reply { server, incarnation, polls, reply });
            }
            Due::Reply { server, incarnation, polls, reply } => {
                self.deliver(server, incarnation, reply);
                if polls {
                    self.time.poll_later(Due::Poll { server, incarnation });
                }
            }
        }
    }

    fn deliver(&mut self, server: usize, incarnation: u64, reply: Reply) {
        let Some(process) = alive(&mut self.machines, server, incarnation) else {
            return;
        };
        let mut actions = Vec::new();
        process.receive(self.time.now(), reply, &mut actions);
        for action in actions {
            match action {
                Action::Call(call) => self.time.send(0, Due::Call(call)),
                Action::Keep(kept) => {
                    self.machines[server].disk.insert(kept.stored.segment, kept);
                }
            }
        }
    }
}

fn alive(machines: &mut [Machine], server: usize, incarnation: u64) -> Option<&mut Server> {
    machines[server].server.as_mut().filter(|process| process.incarnation() == incarnation)
}
