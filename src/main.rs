//! The `dissent` program.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    dissent::commands::dispatch(dissent::cli::Cli::parse()).into()
}
