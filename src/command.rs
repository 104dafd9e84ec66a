//! The command line: what can be asked of the program, and how it exits.
//!
//! stdout carries data only; logs and complaints go to stderr. Exit codes are those of
//! `sysexits.h`, so that systemd can tell a bad configuration, which a restart will not
//! mend, from a failure.

pub mod check;
pub mod demo;
pub mod explain;
pub mod filter;
pub mod generate;
mod kit;
pub mod producers;
pub mod replay;
pub mod run;
pub mod simulate;
mod stdout;
pub mod telegraf;

use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};

use crate::app::{self, Fault};
use crate::config::DEFAULT_PATH;
use crate::failure::describe;
use crate::signals::Stop;
use crate::telemetry::BUILD;

/// How the program exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Success = 0,
    /// Wrong arguments (`EX_USAGE`).
    Usage = 64,
    /// The input is no event, or was refused and is not to be (`EX_DATAERR`).
    Data = 65,
    /// An internal failure (`EX_SOFTWARE`).
    Internal = 70,
    /// A bad configuration (`EX_CONFIG`).
    Config = 78,
}

impl Exit {
    /// How to exit after the exporter has run.
    fn of(ended: Result<(), Fault>) -> Self {
        if ended.is_ok() { Self::Success } else { Self::Internal }
    }

    /// How to exit where the exporter cannot start: the service manager tries again what may pass.
    fn unstarted(err: &app::Error) -> Self {
        if err.is_passing() { Self::Internal } else { Self::Config }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Avaya Experience Platform realtime measures as Prometheus gauges and Influx line protocol
///
/// The platform (AXP) publishes what happens in a contact centre on a websocket: contacts queueing,
/// agents ready, time in state. axp-exporter subscribes to it, and serves the numbers to Prometheus
/// or writes them to InfluxDB, files and sockets.
///
/// A configuration names the account; `axp-exporter demo` needs none. What goes to stdout is data,
/// messages go to stderr.
#[derive(Debug, Parser)]
#[command(name = "axp-exporter", version = BUILD, max_term_width = 100)]
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
    /// Show what the account offers, and what becomes of it under a configuration
    Producers(producers::ProducersArgs),
    /// Show what each stage makes of an event
    Explain(explain::ExplainArgs),
    /// Connect to AXP for Telegraf, which starts this as an input and reads lines from stdout
    Telegraf(telegraf::TelegrafArgs),
    /// Turn events on stdin, one a line, into line protocol on stdout
    Filter(filter::FilterArgs),
    /// Play a recording as if it came from AXP, at its own pace or faster
    Replay(replay::ReplayArgs),
    /// Write the man page, or what a shell needs to complete arguments, to stdout
    Generate(generate::GenerateArgs),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH, value_hint = ValueHint::FilePath)]
    config: PathBuf,
}

impl CommandLine {
    /// Reads the process's arguments and does what they say.
    pub fn main() -> ExitCode {
        match Self::try_parse() {
            Ok(line) => line.execute().into(),
            Err(err) => {
                let err = with_suggestion(err);
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
            Command::Producers(args) => producers::execute(&args),
            Command::Explain(args) => explain::execute(&args),
            Command::Telegraf(args) => telegraf::execute(&args),
            Command::Filter(args) => filter::execute(&args),
            Command::Replay(args) => replay::execute(&args),
            Command::Generate(args) => generate::execute(&args),
        }
    }
}

/// A command no further than this from an unknown one is taken for what was meant.
const TYPO_DISTANCE_MAX: usize = 2;

/// clap finds no likeness in words as short as `run`; we do.
fn with_suggestion(mut err: clap::Error) -> clap::Error {
    let Some(ContextValue::String(typed)) = err.get(ContextKind::InvalidSubcommand) else {
        return err;
    };
    let distance = |name: &str| strsim::damerau_levenshtein(name, typed);
    let line = CommandLine::command();
    let nearest = line.get_subcommands().map(clap::Command::get_name).min_by_key(|name| distance(name));
    if let Some(name) = nearest.filter(|name| distance(name) <= TYPO_DISTANCE_MAX)
        && err.kind() == ErrorKind::InvalidSubcommand
        && err.get(ContextKind::SuggestedSubcommand).is_none()
    {
        err.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![name.to_owned()]));
    }
    err
}

/// The process's environment; what is not UTF-8 shows as such instead of ending us.
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Says which arguments do not go together.
fn misuse(text: &str) -> Exit {
    let _ = CommandLine::command().error(ErrorKind::ArgumentConflict, text).print();
    Exit::Usage
}

/// Opens what a configuration names. That may take its time, as where a disk hangs: so it is done on
/// another thread, and left where `stopped` comes first.
///
/// # Errors
/// How to exit, after what is wrong was said on stderr.
async fn open<T: Send + 'static>(
    config: impl Display,
    opening: impl Future<Output = Result<T, app::Error>> + Send + 'static,
    stopped: impl Future<Output = ()>,
) -> Result<T, Exit> {
    let opened = tokio::select! {
        () = stopped => return Err(Exit::Success),
        opened = tokio::spawn(opening) => opened,
    };
    match opened {
        Ok(opened) => opened.map_err(|err| refuse(config, &err)),
        Err(err) => {
            complain(format_args!("failed to start: {err}"));
            Err(Exit::Internal)
        }
    }
}

/// Says why a configuration cannot be used.
fn refuse(config: impl Display, err: &app::Error) -> Exit {
    complain(format_args!("{config}: {}", describe(err)));
    Exit::unstarted(err)
}

/// Writes a line for people to stderr.
fn complain(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes a line to stdout.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Runs a command that goes on until a signal stops it.
fn run_until_stopped<F: Future<Output = Exit>>(command: impl FnOnce(Stop) -> F) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => {
            complain(format_args!("failed to start the runtime: {err}"));
            return Exit::Internal;
        }
    };
    let exit = runtime.block_on(async {
        match Stop::listen() {
            Ok(stop) => command(stop).await,
            Err(err) => {
                complain(format_args!("failed to listen for signals: {err}"));
                Exit::Internal
            }
        }
    });
    // A write that blocks, to a pipe that nobody reads, must not keep us.
    runtime.shutdown_background();
    exit
}
