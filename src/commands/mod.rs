//! The commands. They parse arguments, call the other modules and print; they decide nothing.

mod audit;
mod cat;
mod check;
mod clean;
mod compare;
mod contents;
mod demo;
mod doctor;
mod heal;
mod init;
mod like;
mod list;
mod list_fitting;
mod man;
mod output;
mod pack;
mod progress;
mod proxy;
mod raw;
mod repeat_command;
mod resolve_run_spec;
mod run;
mod run_order;
mod runtime;
mod serve;
mod shrink;
mod specimen;
mod sweep;
mod synth;
mod target_argument;
mod watchdog;

use crate::cli::{self, Cli, Command, Format};
use crate::exit::Exit;
use clap::Parser as _;
use std::ffi::OsString;

pub use raw::{RawChoice, live as raw_live};
pub use resolve_run_spec::run_spec;

/// Runs the command given by these arguments; the first is the name of the program.
pub fn run(words: Vec<OsString>) -> Exit {
    output::concluded(match Cli::try_parse_from(&words) {
        Ok(cli) => dispatch(cli),
        Err(error) => {
            if asks_for_json(&words) {
                output::set_format(Format::Json);
            }
            output::usage_error(error)
        }
    })
}

/// Whether arguments that do not parse ask for JSON.
fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

fn dispatch(cli: Cli) -> Exit {
    output::set_detail(cli.detail);
    if let Command::Run(cli::RunArgs { output, .. })
    | Command::Check(cli::CheckArgs { output, .. })
    | Command::Raw(cli::RawArgs { output, .. }) = &cli.command
    {
        output::set_format(output.format);
    }
    if let Command::Compare(args) = &cli.command {
        output::set_format(args.output.format);
    }
    if let Command::Sweep(args) = &cli.command {
        output::set_format(args.output.format);
    }
    if let Command::Shrink(args) = &cli.command {
        output::set_format(args.output.format);
    }
    if let Command::Audit(args) = &cli.command {
        output::set_format(args.output.format);
    }
    if let Command::Doctor(cli::DoctorArgs { format, .. }) = &cli.command {
        output::set_format(*format);
    }
    match cli.command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Check(args) => check::check(&args),
        Command::Audit(args) => audit::audit(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Init(args) => init::init(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Clean(args) => clean::clean(&args),
        Command::Heal(args) => heal::heal(&args),
        Command::Raw(args) => raw::raw(&args),
        Command::Cat(args) => cat::cat(&args),
        Command::Pack(args) => pack::pack(&args),
        Command::Schema(args) => {
            output::schema(args.of);
            Exit::Pass
        }
        Command::Serve(args) => serve::serve(&args),
        Command::List(args) => list::list(&args),
        Command::Completions(args) => man::completions(&args),
        Command::Man(args) => man::man(&args),
        Command::Proxy(args) => proxy::proxy(&args),
        Command::Watchdog(args) => watchdog::watchdog(&args),
        Command::Specimen(args) => specimen::specimen(&args),
        Command::Synth(args) => synth::synth(&args),
    }
}
