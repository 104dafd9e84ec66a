//! The man page: what clap knows of each command, then what it does not know (`man.roff`).
//!
//! One page for all commands, since who looks something up does not know yet which one it is of;
//! `clap_mangen`, left alone, makes a page each. It bears no date: one of the build would make every
//! build another.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::telemetry::VERSION;

/// Files, environment, exit status, signals, examples.
const MORE: &str = include_str!("man.roff");

/// The page of this command line.
pub(super) fn page(command: Command) -> io::Result<String> {
    // Each command has the same --help, and nobody looks it up in a man page.
    let mut command = command
        .disable_help_subcommand(true)
        .mut_subcommands(|subcommand| subcommand.disable_help_flag(true));
    command.build();
    let name = command.get_name();
    // By hand, as roff leaves empty arguments out.
    let mut text = format!(
        ".TH {} 1 \"\" \"{name} {VERSION}\" \"System Administration\"\n.SH NAME\n{name} \\- {}\n",
        name.to_uppercase(),
        command.get_about().map(ToString::to_string).unwrap_or_default(),
    );
    text += &synopsis(&command).to_roff();
    text += &description(&command).to_roff();
    text += ".SH OPTIONS\n";
    text += &options(&command)?;
    text += ".SH COMMANDS\n";
    for subcommand in visible(&command) {
        text += &heading(subcommand).to_roff();
        text += &options(subcommand)?;
    }
    Ok(text + MORE)
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set())
}

/// A line for each command.
fn synopsis(command: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]);
    for (index, subcommand) in visible(command).enumerate() {
        if index > 0 {
            page.control("br", []);
        }
        let name = format!("{} {}", command.get_name(), subcommand.get_name());
        let usage = subcommand.clone().render_usage().to_string();
        let arguments = usage.split_once(&name).map(|(_, arguments)| arguments.to_owned());
        page.text([bold(name), roman(arguments.unwrap_or_default())]);
    }
    page
}

/// What `--help` says before its lists, without the line that NAME has already.
fn description(command: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["DESCRIPTION"]);
    let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    for (index, paragraph) in about.split("\n\n").skip(1).enumerate() {
        if index > 0 {
            page.control("PP", []);
        }
        page.text(prose(paragraph));
    }
    page
}

fn heading(subcommand: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SS", [subcommand.get_name()]);
    let about = subcommand.get_long_about().or_else(|| subcommand.get_about());
    page.text(prose(&about.map(ToString::to_string).unwrap_or_default()));
    page
}

/// Text in which bold stands between backticks.
fn prose(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 0 { roman(part) } else { bold(part) }).collect()
}

/// The options of a command, without the heading of a page of its own, and without the line breaks
/// that stand beside empty lines there.
fn options(command: &Command) -> io::Result<String> {
    let mut section = Vec::new();
    Man::new(command.clone()).render_options_section(&mut section)?;
    let section = String::from_utf8_lossy(&section);
    let lines = section.lines().filter(|line| !matches!(*line, ".SH OPTIONS" | ".br"));
    Ok(lines.flat_map(|line| [line, "\n"]).collect())
}
