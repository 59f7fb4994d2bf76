//! The driver of the simulator: the same conductor, a cluster in virtual time, and a record in memory. A run
//! is a pure function of (metadata, timing, cluster), with the same bytes on every machine.
//!
//! It is a crate of its own because it stands between two that must not know each other, the checker's core
//! and the specimen, and because a campaign spends its time here: it is built for speed.

mod cluster;
pub mod host_fault;
mod segments;
mod sessions;
mod shard;
pub mod shard_frontiers;
mod size_limit;

pub use cluster::SimulatedCluster;
pub use shard::Shard;

use dissent_core::conductor::{Command, Conductor, Input, Timing};
use dissent_core::generator::delivery::Delivery;
use dissent_core::history::event::{Op, OpOutcome, TimedEvent};
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::time::Nanos;
use dissent_core::seed::{Stream, below};
use rand_chacha::ChaCha8Rng;
use segments::Segments;
use size_limit::{TOO_LARGE, Weight};
use specimen::segments::ServerTruth;
use std::collections::BTreeMap;

/// The allocator of every program with a simulator in it: a run is made of small rows that come and go, and
/// this takes a quarter off its time. It stands here because it is built like the crate that names it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A message to or from the cluster takes 100 µs to 2 ms.
const LATENCY_NANOS_MIN: u64 = 100_000;
const LATENCY_NANOS_SPREAD: u32 = 1_900_000;

/// The configuration of the simulated cluster.
#[derive(Clone, Debug)]
pub enum Simulated {
    /// Servers that hold segments.
    Segments {
        /// Its settings.
        config: specimen::segments::Config,
        /// How many of 100 ops are never answered. Only for a log of our own sessions.
        timeouts: u32,
    },
    /// Writers that share a shard.
    Shard(specimen::shard::Config),
}

/// A message in flight.
enum InFlight {
    /// An op on its way to the log.
    Produce(Op, Delivery),
    /// An answer on its way to the conductor.
    Answer(Input),
}

struct Simulation<C> {
    cluster: C,
    latency: ChaCha8Rng,
    /// The messages on their way, by when they arrive, and their number.
    in_flight: BTreeMap<(u64, u64), InFlight>,
    sent: u64,
    weight: Weight,
}

/// Runs once in virtual time and returns the record. Fails if the cluster's settings are unusable.
pub fn run(meta: &RunMeta, timing: Timing, what: &Simulated) -> Result<MemoryRecord, specimen::Error> {
    match what {
        Simulated::Segments { config, timeouts } => {
            Ok(drive(meta, timing, Segments::new(meta, config, *timeouts)?).into_record())
        }
        Simulated::Shard(config) => Ok(drive(meta, timing, Shard::new(meta, config)?).into_record()),
    }
}

/// Runs a cluster of segments, and returns the record with what really happened on each server. That is for
/// tests: no judge may see it.
pub fn run_with_truth(
    meta: &RunMeta,
    timing: Timing,
    config: &specimen::segments::Config,
) -> Result<(MemoryRecord, BTreeMap<String, ServerTruth>), specimen::Error> {
    let cluster = drive(meta, timing, Segments::new(meta, config, 0)?);
    let truth = cluster.truth();
    Ok((cluster.into_record(), truth))
}

/// Runs a cluster to the end.
pub fn drive<C: SimulatedCluster>(meta: &RunMeta, timing: Timing, cluster: C) -> C {
    let mut simulation = Simulation {
        cluster,
        latency: meta.seed.stream(Stream::World),
        in_flight: BTreeMap::new(),
        sent: 0,
        weight: Weight::of(meta),
    };
    let mut conductor = Conductor::new(meta.clone(), timing);
    let mut commands = Vec::new();
    let (mut now, mut wake) = (0, 0);
    let mut input = Input::Woken;
    loop {
        conductor.step(Nanos(now), input, &mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Finish => return simulation.cluster,
                Command::Wake(at) => wake = at.0,
                other => simulation.carry_out(now, other),
            }
        }
        input = loop {
            now = simulation.next_due().map_or(wake, |due| due.min(wake));
            simulation.cluster.advance(now);
            if let Some(input) = simulation.arrive(now) {
                break input;
            }
            if now >= wake {
                break Input::Woken;
            }
        };
    }
}

impl<C: SimulatedCluster> Simulation<C> {
    fn send(&mut self, now: u64, what: InFlight) {
        let delay = LATENCY_NANOS_MIN + u64::from(below(&mut self.latency, LATENCY_NANOS_SPREAD));
        self.sent += 1;
        self.in_flight.insert((now + delay, self.sent), what);
    }

    fn next_due(&self) -> Option<u64> {
        self.in_flight.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next message that has arrived by now: an answer for the conductor, or an op for the log.
    fn arrive(&mut self, now: u64) -> Option<Input> {
        let first = self.in_flight.first_entry().filter(|first| first.key().0 <= now)?;
        match first.remove() {
            InFlight::Answer(input) => Some(input),
            InFlight::Produce(op, delivery) => {
                let is_too_large = self.weight.take(&op);
                let input = self.produce(op, delivery);
                self.send(now, InFlight::Answer(input));
                is_too_large.then(|| Input::Interrupt { by: TOO_LARGE.to_owned() })
            }
        }
    }

    /// Appends an op to the log as often as it was sent.
    fn produce(&mut self, op: Op, delivery: Delivery) -> Input {
        let unheard = Input::Completed { op: op.id, outcome: OpOutcome::Unknown, off: None };
        let answer = (0..delivery.copies()).map(|_| self.cluster.produce(op.clone())).last();
        answer.filter(|_| delivery.is_answered()).unwrap_or(unheard)
    }

    fn carry_out(&mut self, now: u64, command: Command) {
        match command {
            Command::Record(event) => self.cluster.record().events.push(TimedEvent { t: Nanos(now), event }),
            Command::Write(op, delivery) => self.send(now, InFlight::Produce(op, delivery)),
            other => {
                if let Some(input) = self.cluster.answer(other) {
                    self.send(now, InFlight::Answer(input));
                }
            }
        }
    }
}
