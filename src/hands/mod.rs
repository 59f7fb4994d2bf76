//! Hands on processes: whose a process is, signals to it, and keepers that outlive us to undo a fault.

pub mod hook;
pub mod keeper;
pub mod lease;
pub mod process;
