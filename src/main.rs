//! The `dissent` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    dissent::commands::run(std::env::args_os().collect()).into()
}
