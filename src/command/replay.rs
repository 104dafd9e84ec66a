//! `axp-exporter replay`: recordings, told again to the pipelines that `run` would have.
//!
//! What serves and writes is that of the configuration, as if the events came from AXP now; lines carry
//! their recorded times. Nobody is called, and nothing is recorded. With `--output` neither sinks nor
//! server are opened, and what comes of the recording goes to stdout: the same each time.

mod progress;
mod stdout;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::pin::pin;

use clap::{Args, ValueHint};

use self::progress::Bar;
use crate::app::{App, Outcome, Recordings, Tell};
use crate::command::stdout::Output;
use crate::command::{Exit, complain, kit, misuse, open, run_until_stopped};
use crate::config::{Account, DEFAULT_PATH, Loaded};
use crate::failure::describe;
use crate::logging;
use crate::recording::{End, Speed};
use crate::signals::Stop;

/// Options of the command.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The configuration file; else /etc/axp-exporter/config.toml, or where that is missing the
    /// defaults. It needs no account, and record.path is passed over
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many times as fast as it was, or "max". Default 1, with --output max
    #[arg(long, value_name = "N", value_parser = read_speed)]
    speed: Option<Speed>,
    /// Write to stdout instead of serving metrics and writing to sinks: a line for each event, or at the
    /// end the series that are left
    #[arg(long, value_enum, value_name = "FORMAT")]
    output: Option<Output>,
    /// With --output lines: write a last line with retired=true for each row that goes
    #[arg(long, requires = "output")]
    markers: bool,
    /// Go on serving metrics after the end, until stopped
    #[arg(long, conflicts_with = "output")]
    stay: bool,
    /// The recordings; they are played in the order in which they were made
    #[arg(value_name = "RECORDING", required = true, value_hint = ValueHint::FilePath)]
    recordings: Vec<PathBuf>,
}

fn read_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse() {
        Ok(times) if times > 0.0 && f64::is_finite(times) => Ok(Speed::Times(times)),
        _ => Err("expected a number above 0, such as 10 or 0.5, or max".to_owned()),
    }
}

/// Replays to the end, or until a signal comes.
pub(super) fn execute(args: &ReplayArgs) -> Exit {
    if args.markers && args.output != Some(Output::Lines) {
        return misuse("--markers is for --output lines");
    }
    // What a file holds that only sinks and the server need is not looked at where there are none.
    let account = if args.output.is_some() { Account::Unused } else { Account::Optional };
    let (loaded, file) = match kit::load(account, args.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let speed = match (args.speed, args.output) {
        (Some(speed), _) => speed,
        (None, Some(_)) => Speed::Max,
        (None, None) => Speed::Times(1.0),
    };
    let recordings = match Recordings::open(&args.recordings, &loaded.config, speed) {
        Ok(recordings) => recordings,
        Err(err) => {
            complain(format_args!("replay: {}", describe(&err)));
            return Exit::Data;
        }
    };
    let file = file.unwrap_or_else(|| DEFAULT_PATH.to_owned());
    let (output, markers, stay) = (args.output, args.markers, args.stay);
    run_until_stopped(|stop| async move {
        match output {
            Some(output) => stdout::replay(&loaded, recordings, (output, markers), stop, &file).await,
            None => serve(loaded, recordings, stay, stop, &file).await,
        }
    })
}

/// Replays into what the configuration names.
async fn serve(loaded: Loaded, recordings: Recordings, stay: bool, stop: Stop, file: &str) -> Exit {
    logging::init(&loaded.config.log);
    let mut stopped = pin!(stop.wait());
    let (app, mut outcome) = match open(file, App::replay(loaded, recordings, tell()), &mut stopped).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    for url in app.metrics_urls() {
        complain(format_args!("replay: metrics are at {url}"));
    }
    let mut ended = None;
    let ran = app.run(async {
        tokio::select! {
            () = &mut stopped => {}
            outcome = &mut outcome => {
                let is_good = matches!(outcome, Ok(Ok(Ok(_))));
                ended = Some(outcome.ok());
                if stay && is_good {
                    complain("replay: the recording is at its end; Ctrl-C stops");
                    stopped.await;
                }
            }
        }
    });
    let exit = Exit::of(ran.await);
    let ended = match ended {
        Some(ended) => ended,
        None => outcome.await.ok(),
    };
    if exit == Exit::Success { sum_up(ended) } else { exit }
}

/// Shows how far it is, on a terminal.
fn tell() -> Tell {
    let mut bar = io::stderr().is_terminal().then(Bar::default);
    Box::new(move |progress| {
        if let Some(bar) = &mut bar {
            bar.draw(progress);
        }
        true
    })
}

/// Says what came of it.
fn sum_up(outcome: Option<Outcome>) -> Exit {
    match outcome {
        Some(Ok(Ok(end))) => {
            for line in words(&end) {
                complain(format_args!("replay: {line}"));
            }
            Exit::Success
        }
        Some(Ok(Err(err))) => {
            complain(format_args!("replay: {}", describe(&err)));
            Exit::Data
        }
        Some(Err(_)) | None => {
            complain("replay: it did not come to its end");
            Exit::Internal
        }
    }
}

/// An end in words, a line for each thing to know.
fn words(end: &End) -> Vec<String> {
    let torn = |path: &PathBuf| {
        let path = path.display();
        format!("{path} ends on the way, as after a crash; what comes before is used")
    };
    let mut lines: Vec<String> = end.torn.iter().map(torn).collect();
    let tally = end.progress.tally;
    if tally.missing > 0 {
        lines.push(format!("{} records are missing: they were dropped when it was made", tally.missing));
    }
    if tally.passed_over > 0 {
        lines.push(format!(
            "{} records are of producers that the configuration does not have",
            tally.passed_over
        ));
    }
    let time = progress::clock(end.progress.time);
    let stopped = if end.stopped { "stopped after " } else { "" };
    let (applied, refused) = (tally.applied, tally.refused);
    lines.push(format!("{stopped}{time} of recorded time; events: {applied} applied, {refused} refused"));
    lines
}
