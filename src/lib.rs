//! dissent finds the one replica that disagrees, and the progress frontier that stopped.
//!
//! # The way of the data
//!
//! [`config`] reads what the user wrote. [`run::run_spec`] is what the run shall be. The
//! [generator](dissent_core::generator) draws ops, victims and a schedule from one seed. The
//! [conductor](dissent_core::conductor) decides what to do next; [`run::engine`] does it through an
//! [`adapter`] in real time, the [simulator](dissent_simulator) in virtual time. The
//! [store](dissent_store) keeps what happened and what was read, the [checker](dissent_core::checker) judges
//! that, and [`report`] finds the words and pictures. `src/ARCHITECTURE.md` is the map.
//!
//! # Invariants
//!
//! 1. Generator, conductor and checker are the crate [`dissent_core`]: no IO, no clock and no unseeded
//!    randomness. It depends on no crate that has them, and `tests/tidy.rs` looks for what the standard
//!    library offers.
//! 2. What was read is on disk before it is judged, and survives kill -9 up to the last closed frame. In
//!    simulation the seed, the plan and the build are the record: a run that is judged in memory and the same
//!    run judged from its folder have the same verdict.
//! 3. Rows are compared only where the replicas' own coverage says so. Lag is not divergence.
//! 4. A check that compared nothing is never a pass. Every verdict says how much was compared.
//! 5. Two oracles, kept apart: peers (who differs) and model (who is wrong).
//! 6. A finding holds data and the ids of its evidence. Sentences are made in [`report`].
//! 7. One seed, printed first and stored. Run i of N has seed S + i in every arm, and every consumer of
//!    randomness has a named stream of its own.
//! 8. A cure is data. It is written and synced before its fault begins, and applying it twice does no harm.
//! 9. The specimen is a crate of its own and shares no code with the checker, above all no merge function.
//! 10. `src/CONTRIBUTING.md` says which files a new workload, plan, fault, check or system touches.

pub mod adapter;
pub mod cli;
pub mod commands;
pub mod config;
pub use dissent_dumps as dumps;
pub mod exit;
pub mod faults;
pub mod report;
pub mod run;
pub mod synth;
pub mod target_error;
