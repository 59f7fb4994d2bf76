//! The `dissent` program.

use std::process::ExitCode;

/// A simulated run is made of small rows that come and go: this takes a quarter off its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dissent::commands::run(std::env::args_os().collect()).into()
}
