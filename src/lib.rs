//! dissent finds the one replica that disagrees, and the progress frontier that stopped.

pub mod check;
pub mod config;
pub mod plan;
pub mod record;
pub mod report;
pub mod schema;
pub mod seed;
