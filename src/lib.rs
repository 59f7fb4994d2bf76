//! dissent finds the one replica that disagrees, and the progress frontier that stopped.

pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod exit;
pub mod hands;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
pub mod schema;
pub mod seed;
pub mod synth;
pub mod target;
