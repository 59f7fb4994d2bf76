//! Running: the conductor decides, the engine or the simulator carries out, the record is judged.

pub mod campaign;
pub mod conclude;
pub mod engine;
pub mod hooks;
pub mod live;
pub mod look;
pub mod one;
pub mod order;
mod panic;
mod sampling;
pub mod signals;
pub mod simulate;
