//! The integration tests, as one binary: it links once.

mod check;
mod report;
mod store;
mod tidy;
