//! The commands. They parse arguments, call the other modules and print; they decide nothing.

mod check;
mod clean;
mod demo;
mod doctor;
mod heal;
mod init;
mod keeper;
mod list;
mod outside;
mod progress;
mod proxy;
mod raw;
mod repeat;
mod run;
mod specimen;
mod synth;
mod tell;

use crate::cli::{self, Cli, Command, Format};
use crate::exit::Exit;
use clap::Parser as _;
use std::ffi::OsString;

pub use raw::live as raw_live;
pub use run::order as order_of;

/// Runs the command given by these arguments; the first is the name of the program.
pub fn obey(words: Vec<OsString>) -> Exit {
    tell::concluded(match Cli::try_parse_from(&words) {
        Ok(cli) => dispatch(cli),
        Err(error) => {
            if asks_for_json(&words) {
                tell::speak(Format::Json);
            }
            tell::misspelt(error)
        }
    })
}

/// Whether arguments that do not parse ask for JSON.
fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

fn dispatch(cli: Cli) -> Exit {
    if let Command::Run(cli::Run { output, .. })
    | Command::Check(cli::Check { output, .. })
    | Command::Raw(cli::Raw { output, .. }) = &cli.command
    {
        tell::speak(output.format);
    }
    if let Command::Doctor(cli::Doctor { format, .. }) = &cli.command {
        tell::speak(*format);
    }
    match cli.command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Init(args) => init::init(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Clean(args) => clean::clean(&args),
        Command::Heal(args) => heal::heal(&args),
        Command::Raw(args) => raw::raw(&args),
        Command::List(args) => list::list(&args),
        Command::Proxy(args) => proxy::proxy(&args),
        Command::Keeper(args) => keeper::keeper(&args),
        Command::Specimen(args) => specimen::specimen(&args),
        Command::Synth(args) => synth::synth(&args),
    }
}
