//! `axp-exporter demo`: simulator and exporter in one process, on loopback.
//!
//! It is the exporter as `run` builds it, with a configuration of its own: the
//! simulator's address and credentials, and names kept, since nobody real is behind them.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::app::{App, Error};
use crate::command::{Exit, complain, run_until_stopped, say};
use crate::config::{Account, Config, Loaded, Log, LogLevel, Problems};
use crate::failure::describe;
use crate::logging;
use crate::reload::Source;
use crate::signals::Stop;
use crate::simulator::{CentreArgs, Simulator};
use crate::sink::exposition::Format;
use crate::web::routes::Site;

/// How often to look whether the first snapshots are there.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Metrics worth a look, by what a line of each must hold.
const WORTH_A_LOOK: [(&str, &str); 3] = [
    ("axp_queue_itd_contacts_queueing{", ""),
    ("axp_agent_itd_agent_state{", "state=\"READY\"} 1"),
    ("axp_exporter_feed_up{", "Queue_itd"),
];

/// Options of the demo.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to serve metrics; a free port is taken where this one is in use
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9955")]
    listen: String,
    #[command(flatten)]
    centre: CentreArgs,
}

/// Runs the demo until a signal stops it.
pub(super) fn execute(args: DemoArgs) -> Exit {
    logging::init(&Log { level: LogLevel::Warn, ..Log::default() });
    run_until_stopped(|stop| async move {
        match demo(args, stop).await {
            Ok(exit) => exit,
            Err(err) => {
                complain(err);
                Exit::Usage
            }
        }
    })
}

async fn demo(args: DemoArgs, stop: Stop) -> Result<Exit, String> {
    let simulator = Simulator::bind(args.centre.into()).await.map_err(|err| describe(&err))?;
    let simulator_url = simulator.url();
    let seed = simulator.seed();
    let app = build(&simulator, &args.listen).await?;
    let metrics_url = app.metrics_urls().into_iter().next().unwrap_or_default();
    let (feeds, site) = (app.feeds(), app.site());
    say(format_args!("A simulated contact centre (seed {seed}) is being exported at\n\n    {metrics_url}\n"));
    let show = async move {
        while feeds.waiting_for().is_none_or(|waiting| !waiting.is_empty()) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        say(summary(&site, &metrics_url, &simulator_url));
    };
    let (stop_simulator, simulator_stopped) = tokio::sync::oneshot::channel::<()>();
    let simulator = tokio::spawn(simulator.run(async {
        let _ = simulator_stopped.await;
    }));
    let show = tokio::spawn(show);
    let ended = app.run(stop.wait()).await;
    show.abort();
    let _ = stop_simulator.send(());
    let _ = simulator.await;
    say("Stopped.");
    Ok(Exit::of(ended))
}

/// The exporter, at the wished address or, where that is in use, at a free port of it.
async fn build(simulator: &Simulator, listen: &str) -> Result<App, String> {
    let load = |listen: &str| configuration(simulator, listen).map_err(|problems| problems.to_string());
    match App::build(load(listen)?, Source::none()).await {
        Err(Error::Listen(_, err)) if err.kind() == std::io::ErrorKind::AddrInUse => {
            let host = listen.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
            complain(format_args!("{listen} is in use; taking a free port"));
            App::build(load(&format!("{host}:0"))?, Source::none()).await
        }
        built => built,
    }
    .map_err(|err| describe(&err))
}

fn configuration(simulator: &Simulator, listen: &str) -> Result<Loaded, Problems> {
    let credentials = simulator.credentials();
    let text = format!(
        "[axp]\napi_url = {:?}\naccount_id = {:?}\nclient_id = {:?}\nclient_secret = {:?}\napp_key = {:?}\n\
         [web]\nlisten = {listen:?}\n[privacy]\npersonal = \"keep\"\n",
        simulator.url(),
        credentials.account_id,
        credentials.client_id,
        credentials.client_secret,
        credentials.app_key,
    );
    Config::from_text(Account::Required, Path::new("demo"), &text, std::iter::empty())
}

/// What there is to see, with three lines as they are now.
fn summary(site: &Site, metrics_url: &str, simulator_url: &str) -> String {
    let body = String::from_utf8_lossy(&site.render(Format::Text)).into_owned();
    let series = body.lines().filter(|line| line.starts_with("axp_")).count();
    let page = metrics_url.strip_suffix("metrics").unwrap_or(metrics_url);
    let mut text = format!("{series} series so far, three of them worth a look:\n\n");
    for (metric, part) in WORTH_A_LOOK {
        if let Some(line) = body.lines().find(|line| line.starts_with(metric) && line.contains(part)) {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = write!(
        text,
        "\nTry:\n\n    \
         {page}     # in a browser: how the feeds stand, and every measure\n    \
         curl -s {metrics_url} | grep ^axp_queue_itd_contacts_queueing\n    \
         curl -s -X POST {simulator_url}/admin/agents/logout     # an agent leaves: gone at the next scrape\n\n\
         Ctrl-C stops it."
    );
    text
}
