//! `axp-exporter telegraf`: the exporter as a program that Telegraf runs
//! ([inputs.execd](https://github.com/influxdata/telegraf/tree/master/plugins/inputs/execd)).
//!
//! It is what `run` is, with one output of lines, stdout, in the place of those configured, and no
//! listener unless asked for. What Telegraf expects of such a program:
//!
//! - stdout carries lines alone. Where it is full, lines wait, in bounds; past them all that wait go,
//!   and once it takes more the rows are sent whole: the newest values arrive, and no feed has waited.
//! - stdin is read whatever comes. A newline is a tick, its end is ours.
//! - stderr has a line an event, with a prefix for its level.
//! - SIGHUP, SIGUSR1 and SIGUSR2 are ticks, so that none of them ends us or reloads anything.
//! - At each tick every row shown is sent whole. With `--signal none` lines of events come by
//!   themselves and whole rows at each heartbeat, so that an output that forgets what it has not heard
//!   of forgets rows that are gone, and no others.
//! - Nothing is said to systemd: `NOTIFY_SOCKET` is Telegraf's.

mod gathering;
mod stdin;
mod stdout;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tracing::{error, info, warn};

use self::gathering::Gathering;
use self::stdout::Stdout;
use crate::app::App;
use crate::command::stdout::is_closed;
use crate::command::{Exit, environment, misuse, run_until_stopped};
use crate::config::{self, Config, DEFAULT_PATH, Listen, Loaded, Log, OnDelete};
use crate::failure::describe;
use crate::logging;
use crate::pipeline::LineOutput;
use crate::reload::Source;
use crate::signals::{SignalKind, Signals};
use crate::sink::queue;

/// What the output is called in the exporter's own metrics.
const SINK: &str = "telegraf";
/// How often whole rows come by themselves.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long lines that are left may take at the end; feeds have four seconds before that, and
/// Telegraf sends SIGTERM after five.
const LAST_LINES_TIMEOUT: Duration = Duration::from_millis(800);

/// Options of the command.
#[derive(Debug, Args)]
pub struct TelegrafArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH, value_hint = ValueHint::FilePath)]
    config: PathBuf,
    /// What Telegraf's own `signal` says. With none, each event is a line at once; else nothing is
    /// written but whole rows, when Telegraf asks for them
    #[arg(long, value_enum, value_name = "SIGNAL", default_value_t = Signal::None)]
    signal: Signal,
    /// With --signal none, how often whole rows are written though nothing asks for them; 0s is
    /// never. Default 10s
    #[arg(long, value_name = "DURATION", value_parser = config::Duration::parse)]
    heartbeat: Option<config::Duration>,
    /// Listen where `web.listen` of the configuration says, too
    #[arg(long)]
    web: bool,
}

/// How Telegraf asks, by the names that it has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signal {
    /// Not at all.
    None,
    /// By a newline.
    #[value(name = "STDIN")]
    Stdin,
    /// By SIGHUP.
    #[value(name = "SIGHUP")]
    Hangup,
    /// By SIGUSR1.
    #[value(name = "SIGUSR1")]
    User1,
    /// By SIGUSR2.
    #[value(name = "SIGUSR2")]
    User2,
}

/// Runs until stdin ends, nobody reads stdout any more, or a signal stops it.
pub(super) fn execute(args: &TelegrafArgs) -> Exit {
    if args.heartbeat.is_some() && args.signal != Signal::None {
        return misuse("--heartbeat is for --signal none");
    }
    logging::init_prefixed(&Log::default());
    run_until_stopped(|mut stop| async move {
        // First of all, as the first tick may come at once, and would end who does not expect it.
        let due = match ticks() {
            Ok(due) => due,
            Err(err) => return failed("listen for signals", &err),
        };
        let stdin_ended = match stdin::drain(due.clone()) {
            Ok(ended) => ended,
            Err(err) => return failed("read stdin", &err),
        };
        let mut stopped = pin!(async {
            tokio::select! {
                () = stop.next() => {}
                _ = stdin_ended => info!("stdin has ended"),
            }
            stop.end_at_next();
        });
        let built = tokio::select! {
            // What is opened may take its time, such as a disk that hangs: it holds another thread.
            () = &mut stopped => return Exit::Success,
            built = build(args) => built,
        };
        match built {
            Ok(app) => attend(app, args, stopped, due).await,
            Err(exit) => exit,
        }
    })
}

/// Changed at each signal that Telegraf may ask by; several that wait are one.
fn ticks() -> io::Result<watch::Sender<()>> {
    let due = watch::Sender::new(());
    for kind in [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()] {
        let due = due.clone();
        Signals::listen(kind)?.each(move || due.send_modify(|()| ()));
    }
    Ok(due)
}

/// The exporter of the configuration, with no output of lines yet; else how to exit, after what is wrong
/// was said.
async fn build(args: &TelegrafArgs) -> Result<App, Exit> {
    let (path, web) = (args.config.clone(), args.web);
    let loaded = spawn_blocking(move || Config::load(&path, environment())).await;
    let loaded = loaded.map_err(|err| failed("read the configuration", &err.into()))?;
    let mut loaded = loaded.map_err(|problems| {
        problems.iter().for_each(|problem| error!("{problem}"));
        Exit::Config
    })?;
    logging::set_level(&loaded.config.log);
    if !loaded.config.influx.is_empty() {
        info!(blocks = loaded.config.influx.len(), "[[influx]] is left to `run`: here Telegraf delivers");
    }
    fit(&mut loaded, web);
    // Where [web] lets somebody ask for that, it is read anew.
    let path = args.config.clone();
    let source = Source::new(move || {
        let mut loaded = Config::load(&path, environment()).map_err(|problems| problems.to_string())?;
        fit(&mut loaded, web);
        Ok(loaded)
    });
    let built = tokio::spawn(App::build(loaded, source)).await;
    built.map_err(|err| failed("start", &err.into()))?.map_err(|err| {
        error!("{}: {}", args.config.display(), describe(&err));
        Exit::unstarted(&err)
    })
}

/// Takes out of a configuration what there is not to be here: outputs of lines, and listeners without
/// `--web`.
fn fit(loaded: &mut Loaded, web: bool) {
    loaded.config.influx.clear();
    loaded.secrets.influx.clear();
    if !web {
        loaded.config.web.listen = Listen::nowhere();
        loaded.web_config_file = None;
    }
}

/// Runs it between the pipes.
async fn attend(
    mut app: App,
    args: &TelegrafArgs,
    stopped: impl Future<Output = ()> + Send,
    due: watch::Sender<()>,
) -> Exit {
    let metrics = app.telemetry().sink(SINK);
    let (sender, lines) = queue::lines(1, metrics.dropped.clone());
    if args.signal == Signal::None {
        app.add_output(LineOutput { sender: sender.clone(), on_delete: OnDelete::None });
    }
    let heartbeat = args.heartbeat.map_or(HEARTBEAT, config::Duration::get);
    let heartbeat = Some(heartbeat).filter(|_| args.signal == Signal::None);
    let gathering = Gathering::new(app.feeds(), sender, due.subscribe(), heartbeat);
    let stdout = match Stdout::open(lines, metrics, due) {
        Ok(stdout) => stdout,
        Err(err) => return failed("open stdout", &err),
    };
    let mut gathering = tokio::spawn(gathering.run());
    let mut writing = tokio::spawn(stdout.run());
    let mut ended = None;
    let until_ended = async {
        tokio::select! {
            () = stopped => {}
            written = &mut writing => ended = Some(exit_of(written)),
            // It has no end but a fault, which was told of.
            _ = &mut gathering => ended = Some(Exit::Internal),
        }
    };
    let ran = app.run(until_ended).await;
    // It holds the last sender of lines.
    gathering.abort();
    let exit = match ended {
        Some(exit) => exit,
        None => write_last(writing).await,
    };
    if exit == Exit::Success { Exit::of(ran) } else { exit }
}

/// Waits for the lines that are left, if stdout takes them.
async fn write_last(writing: JoinHandle<io::Result<()>>) -> Exit {
    if let Ok(written) = tokio::time::timeout(LAST_LINES_TIMEOUT, writing).await {
        return exit_of(written);
    }
    warn!("stdout takes nothing, and lines are lost");
    Exit::Success
}

fn exit_of(written: Result<io::Result<()>, JoinError>) -> Exit {
    match written {
        Ok(Ok(())) => Exit::Success,
        Ok(Err(err)) if is_closed(&err) => Exit::Success,
        Ok(Err(err)) => failed("write to stdout", &err),
        Err(err) => failed("write to stdout", &err.into()),
    }
}

fn failed(what: &str, err: &io::Error) -> Exit {
    error!("failed to {what}: {err}");
    Exit::Internal
}
