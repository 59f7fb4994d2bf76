//! The frontiers of `specimen-shard` as samples show them, as processes and simulated.

use dissent_core::conductor::FrontierSeen;
use dissent_core::history::frontier::FrontierReading;
use serde::Deserialize;
use specimen::shard::Mode;

/// The name of the shard's frontier and of the shard.
pub const SHARD: &str = "shard";

/// The status of the shard, and of a writer that has caught up with the shard's upper at its start.
pub const RUNNING: &str = "running";
/// The status of a writer that has not caught up.
pub const HYDRATING: &str = "hydrating";

/// A writer's own report.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct WriterProgress {
    /// Counts the writer's starts, from 1.
    pub incarnation: u64,
    /// Whether it appends.
    pub mode: Mode,
    /// Whether it has caught up with the shard's upper at its start.
    pub hydrated: bool,
    /// Its own output frontier.
    pub frontier: u64,
}

impl WriterProgress {
    /// One reading of the writer's frontier, between two readings `u1` and `u2` of its upstream.
    pub fn seen(self, writer: &str, u1: u64, u2: u64) -> FrontierSeen {
        let WriterProgress { incarnation, mode, hydrated, frontier } = self;
        let status = if hydrated { RUNNING } else { HYDRATING };
        let (object, status) = (writer.to_owned(), status.to_owned());
        let look = FrontierReading { object, u1, f: Some(frontier), u2, status, incarnation };
        FrontierSeen { reading: look, is_awaited: mode == Mode::ReadWrite }
    }
}

/// One reading of the shard's upper, between two readings `u1` and `u2` of its upstream.
pub fn shard_seen(upper: u64, u1: u64, u2: u64) -> FrontierSeen {
    let (object, status) = (SHARD.to_owned(), RUNNING.to_owned());
    FrontierSeen {
        reading: FrontierReading { object, u1, f: Some(upper), u2, status, incarnation: 0 },
        is_awaited: true,
    }
}
