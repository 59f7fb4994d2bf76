//! Running: the conductor decides, the engine or the simulator carries out, the record is judged.

pub mod campaign;
pub mod engine;
pub mod hooks;
pub mod inspect;
pub mod judging;
pub mod observer;
pub mod one;
mod panic;
pub mod run_spec;
mod sampling;
pub mod signals;
pub mod simulate;
