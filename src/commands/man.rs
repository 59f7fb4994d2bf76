//! `dissent man` and `dissent completions`: what the command line itself says, for `man` and for shells.

use super::output;
use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::config::error::ConfigError;
use crate::exit::Exit;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use dissent_core::nearest::advise;
use std::path::Path;

/// Prints the completions for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut cli = Cli::command();
    output::stream(|to| clap_complete::generate(args.shell, &mut cli, "dissent", to));
    Exit::Pass
}

/// Prints one manual page, or writes all of them.
pub(super) fn man(args: &ManArgs) -> Exit {
    // Built, a command has the name of its page: `dissent-run`.
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    match (&args.out, &args.command) {
        (Some(dir), _) => write_all(&cli, dir),
        (None, None) => print(cli),
        (None, Some(name)) => match pages(&cli).find(|page| page.get_name() == name) {
            Some(page) => print(page.clone()),
            None => {
                let names: Vec<&str> = pages(&cli).map(Command::get_name).collect();
                let help = advise(name, &names);
                output::refusal(ConfigError::UnknownName { kind: "command", name: name.clone(), help })
            }
        },
    }
}

/// The commands that `--help` shows.
fn pages(cli: &Command) -> impl Iterator<Item = &Command> {
    cli.get_subcommands().filter(|command| !command.is_hide_set())
}

fn print(command: Command) -> Exit {
    output::note(output::stream(|to| Man::new(command).render(to)));
    Exit::Pass
}

fn write_all(cli: &Command, dir: &Path) -> Exit {
    let written = std::fs::create_dir_all(dir).and_then(|()| {
        let all = std::iter::once(cli).chain(pages(cli));
        all.map(|page| Man::new(page.clone()).generate_to(dir)).collect::<Result<Vec<_>, _>>()
    });
    match written {
        Ok(paths) => {
            output::result(&format!("{} pages in {}", paths.len(), dir.display()));
            Exit::Pass
        }
        Err(error) => output::failure(&format!("cannot write to {}: {error}", dir.display()), Exit::Usage),
    }
}
