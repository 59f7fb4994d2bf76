//! The core's own integration tests: they build without the rest of the program.

mod check;
mod draw;
#[path = "property/fold.rs"]
mod fold;
