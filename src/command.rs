//! The command line: what can be asked of the program, and how it exits.
//!
//! stdout carries data only; logs and complaints go to stderr. Exit codes are those of
//! `sysexits.h`, so that systemd can tell a bad configuration, which a restart will not
//! mend, from a failure.

pub mod check;
pub mod demo;
pub mod run;
pub mod simulate;

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::DEFAULT_PATH;

/// How the program exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Success = 0,
    /// Wrong arguments (`EX_USAGE`).
    Usage = 64,
    /// An internal failure (`EX_SOFTWARE`).
    Internal = 70,
    /// A bad configuration (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Avaya Experience Platform realtime measures as Prometheus gauges and Influx line protocol.
#[derive(Debug, Parser)]
#[command(name = "axp-exporter", version, max_term_width = 100)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect to AXP and serve its measures
    Run(ConfigArgs),
    /// Show it all at work with a simulated contact centre; needs no account
    Demo(demo::DemoArgs),
    /// Run the simulated AXP alone
    Simulate(crate::simulator::SimulateArgs),
    /// Check a configuration and report everything that is wrong with it
    Check(ConfigArgs),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

impl CommandLine {
    /// Reads the process's arguments and does what they say.
    pub fn main() -> ExitCode {
        match Self::try_parse() {
            Ok(line) => line.execute().into(),
            Err(err) => {
                let _ = err.print();
                if err.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() }
            }
        }
    }

    fn execute(self) -> Exit {
        match self.command {
            Command::Run(args) => run::execute(&args.config),
            Command::Demo(args) => demo::execute(args),
            Command::Simulate(args) => simulate::execute(args),
            Command::Check(args) => check::execute(&args.config),
        }
    }
}

/// Writes a line for people to stderr.
fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes a line to stdout.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Runs a command that needs the runtime.
fn block_on(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(err) => {
            complain(format_args!("failed to start the runtime: {err}"));
            Exit::Internal
        }
    }
}
