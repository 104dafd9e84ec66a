//! `axp-exporter producers`: what the account offers, and what becomes of it under a
//! configuration.
//!
//! It asks AXP for the list of interval-to-date producers, then for each one's measures and
//! their descriptions; nothing is subscribed to or served. Only without the list is there
//! nothing to show: where a producer or its words cannot be had, a line on stderr says so.

mod blocks;
mod offer;
mod table;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use self::offer::{Answer, Offer};
use crate::app;
use crate::command::{ConfigArgs, Exit, complain, environment, refuse, run_until_stopped, stdout};
use crate::config::{Config, Loaded};
use crate::failure::describe;
use crate::ingest::api::{self, Api};
use crate::ingest::discovery;
use crate::parse::privacy::Privacy;
use crate::telemetry::Telemetry;

/// How long AXP may take before people are told what they wait for, and how often then.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Puts the cursor back to the begin of its line and empties that.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Options of the command.
#[derive(Debug, Args)]
pub struct ProducersArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Write blocks for a configuration instead of a table
    #[arg(long)]
    toml: bool,
}

/// Shows what the account of the configuration offers.
pub(super) fn execute(args: &ProducersArgs) -> Exit {
    let path = args.config.config.display();
    let loaded = match Config::load(&args.config.config, environment()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(problems);
            return Exit::Config;
        }
    };
    let telemetry = Telemetry::new(loaded.config.limits.series);
    let way_out = app::way_out(&loaded, &telemetry);
    let parts = way_out.and_then(|(api, _)| {
        app::privacy(&loaded.config, &loaded.secrets.hash_key).map(|privacy| (api, privacy))
    });
    let (api, privacy) = match parts {
        Ok(parts) => parts,
        Err(err) => return refuse(path, &err),
    };
    let toml = args.toml;
    run_until_stopped(|stop| async move {
        let work = async {
            let asked = Cell::new((0, 0));
            match with_progress(ask(&api, &loaded.config, &asked), &asked).await {
                Ok(answers) => {
                    // Nobody may read it, and a signal is to be heard all the same.
                    let shown = spawn_blocking(move || show(answers, &loaded, &privacy, toml));
                    shown.await.unwrap_or(Exit::Internal)
                }
                Err(err) => {
                    complain(format_args!("{path}: {}{}", describe(&err), err.hint()));
                    Exit::Internal
                }
            }
        };
        tokio::select! {
            exit = work => exit,
            () = stop.wait() => {
                complain("stopped");
                Exit::Internal
            }
        }
    })
}

/// Asks for the list, then for each producer: first those of the configuration in its
/// order, whose metrics' names come first, then the others.
async fn ask(
    api: &Api,
    config: &Config,
    step: &Cell<(usize, usize)>,
) -> Result<(Vec<Answer>, Vec<String>), api::Error> {
    let listed = api.producers().await?;
    let listed_count = listed.len();
    let mut ids = discovery::usable(listed);
    let mut problems = Vec::new();
    if ids.is_empty() {
        problems.push("AXP lists no interval-to-date producer for this account".to_owned());
    } else if ids.len() < listed_count {
        problems.push(format!("left out of AXP's list: {} repeated or malformed", listed_count - ids.len()));
    }
    let place = |id: &String| config.producer.iter().position(|producer| producer.id == *id);
    for producer in config.producer.iter().filter(|producer| !ids.contains(&producer.id)) {
        problems.push(format!("{}: configured, but not in AXP's list", producer.id));
    }
    ids.sort_by_key(|id| place(id).unwrap_or(usize::MAX));
    let mut answers = Vec::new();
    let producers = ids.len();
    for (index, id) in ids.into_iter().enumerate() {
        step.set((index + 1, producers));
        let producer = api.producer(&id).await;
        let producer = producer.map_err(|err| problems.push(format!("{id}: {}", describe(&err)))).ok();
        let words = match producer {
            Some(_) => api.words(&id, &config.axp.locale).await.map(Some),
            None => Ok(None),
        };
        let words = words
            .map_err(|err| problems.push(format!("{id}, descriptions: {}", describe(&err))))
            .ok()
            .flatten();
        answers.push(Answer { id, producer, words });
    }
    Ok((answers, problems))
}

/// Waits for the answers; on a terminal says what is being asked, once that takes long.
async fn with_progress<T>(work: impl Future<Output = T>, step: &Cell<(usize, usize)>) -> T {
    let mut work = pin!(work);
    let mut ticks = tokio::time::interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    let (terminal, mut shown) = (io::stderr().is_terminal(), false);
    let write = |text: &str| {
        let mut stderr = io::stderr();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    };
    loop {
        tokio::select! {
            done = &mut work => {
                if shown {
                    write(CLEAR_LINE);
                }
                return done;
            }
            _ = ticks.tick(), if terminal => {
                shown = true;
                write(&match step.get() {
                    (0, _) => format!("{CLEAR_LINE}asking AXP for its producers"),
                    (index, count) => format!("{CLEAR_LINE}asking AXP for producer {index} of {count}"),
                });
            }
        }
    }
}

/// Writes what there is to stdout, and the problems to stderr.
fn show(
    (answers, problems): (Vec<Answer>, Vec<String>),
    loaded: &Loaded,
    privacy: &Privacy,
    toml: bool,
) -> Exit {
    problems.iter().for_each(complain);
    let config = &loaded.config;
    let offers = Offer::all(answers, config, privacy);
    let text = if toml {
        blocks::render(&offers, &config.producer)
    } else {
        let width = terminal_size::terminal_size_of(io::stdout());
        table::render(&offers, width.map(|(width, _)| width.0.into()))
    };
    stdout::write("producers", &text)
}
