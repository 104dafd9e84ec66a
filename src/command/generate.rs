//! `axp-exporter generate`: the man page and the completions of shells, out of the command line's
//! own definitions.
//!
//! The packages are made with it, and who has the bare program makes them himself.

mod man;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::command::{CommandLine, Exit, stdout};

/// Options of the command.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What to write
    what: Product,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Product {
    /// The man page
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
}

/// Writes it to stdout.
pub(super) fn execute(args: &GenerateArgs) -> Exit {
    let text = match args.what {
        Product::Man => man::page(CommandLine::command()),
        Product::Bash => Ok(bash()),
        Product::Zsh => Ok(completions(Shell::Zsh)),
        Product::Fish => Ok(completions(Shell::Fish)),
    };
    match text {
        Ok(text) => stdout::write("generate", &text),
        Err(err) => stdout::failed("generate", &err),
    }
}

/// In memory first: clap panics where it cannot write.
fn completions(shell: Shell) -> String {
    let mut command = CommandLine::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Since 4.6, `clap_complete` spells the hyphen of a program's name in two ways, and completes nothing behind a
/// command: <https://github.com/clap-rs/clap/issues/6421>.
fn bash() -> String {
    let name = CommandLine::command().get_name().to_owned();
    completions(Shell::Bash).replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
