//! From a workload, a plan and a seed to what a run will do: the table, the ops, the schedule of faults.
//! Pure: no IO, no clock, and randomness only from the seed's named streams.

mod arrivals;
pub mod calibration;
mod columns;
mod comparisons;
pub mod delivery;
pub mod generate;
pub mod given;
mod keys;
pub mod ops;
pub mod plan_error;
pub mod schedule;
pub mod swarm;
pub mod table;
mod victims;
