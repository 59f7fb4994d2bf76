//! Hands on processes: whose a process is, signals to it, watchdogs that outlive us to undo a
//! fault, and a proxy that makes downloads wait.

pub mod hook;
pub mod lease;
pub mod process;
pub mod proxy;
pub mod watchdog;
