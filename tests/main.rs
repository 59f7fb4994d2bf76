//! The integration tests, as one binary: it links once.

mod check;
mod cli;
mod keeper;
mod raw;
mod report;
mod self_test;
mod simulated;
mod store;
mod support;
mod tidy;
