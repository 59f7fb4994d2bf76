//! The integration tests, as one binary: it links once.

mod bad_input;
mod check;
mod cli;
mod fuzz;
mod property;
mod report;
mod simulated;
mod store;
mod support;
mod tidy;
