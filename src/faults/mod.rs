//! Process control: process ids, signals, watchdogs that outlive the tool to undo a fault, and a proxy that
//! delays downloads.

pub mod fault_command;
pub mod hook;
pub mod process;
pub mod proxy;
pub mod replica_command;
pub mod watchdog;
pub mod watchdog_handle;
