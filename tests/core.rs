//! The integration tests of the core, which build without the rest of the program.

#![expect(clippy::disallowed_methods, reason = "cases are files, and seeds may be asked for")]

mod check;
mod draw;
#[path = "property/fold.rs"]
mod fold;
