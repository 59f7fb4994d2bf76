//! The commands: what `main` calls. Here words meet the terminal; nothing is decided.

mod check;
mod demo;
mod list;
mod progress;
mod run;
mod specimen;
mod synth;
mod tell;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

pub use run::order as order_of;

/// Does what the command line asks for.
pub fn dispatch(cli: Cli) -> Exit {
    match cli.command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::List(args) => list::list(&args),
        Command::Specimen(args) => specimen::specimen(&args),
        Command::Synth(args) => synth::synth(&args),
    }
}
