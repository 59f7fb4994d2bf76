//! The integration tests, as one binary: it links once.

mod check;
mod cli;
mod keeper;
mod report;
mod simulated;
mod store;
mod support;
mod tidy;
