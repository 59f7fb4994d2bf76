//! Hands on processes: starting them so that they die with us, and killing them.

pub mod process;
