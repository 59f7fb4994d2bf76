//! The integration tests, as one binary: it links once.

mod check;
mod cli;
mod report;
mod simulated;
mod store;
mod support;
mod synth;
mod tidy;
