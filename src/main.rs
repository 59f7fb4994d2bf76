//! The `dissent` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    dissent::commands::obey(std::env::args_os().collect()).into()
}
