//! The integration tests, as one binary: it links once.

mod bad_input;
mod check;
mod cli;
mod keeper;
mod raw;
mod fuzz;
mod property;
mod report;
mod self_test;
mod simulated;
mod store;
mod support;
mod tidy;
