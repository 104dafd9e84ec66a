//! `axp-exporter run`: the daemon.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;

use crate::app::App;
use crate::command::{Exit, complain, environment, open, run_until_stopped};
use crate::config::{Config, Loaded};
use crate::logging;
use crate::notify::{Notifier, status, watchdog};
use crate::pulse;
use crate::reload::Source;
use crate::signals::{SignalKind, Signals, Stop};

/// Runs with the configuration at `path` until a signal stops it.
pub(super) fn execute(path: &Path) -> Exit {
    let loaded = match Config::load(path, environment()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(problems);
            return Exit::Config;
        }
    };
    logging::init(&loaded.config.log);
    run_until_stopped(|stop| run(path.to_owned(), loaded, stop))
}

async fn run(path: PathBuf, loaded: Loaded, stop: Stop) -> Exit {
    // From now on neither signal ends us by itself.
    let hangups = match Signals::listen(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(err) => {
            complain(format_args!("failed to listen for SIGHUP: {err}"));
            return Exit::Internal;
        }
    };
    let mut stopped = pin!(stop.wait());
    let app = match open(path.display(), App::build(loaded, source(&path)), &mut stopped).await {
        Ok(app) => app,
        Err(exit) => return exit,
    };
    let (reopener, reloader) = (app.reopener(), app.reloader());
    hangups.each(move || {
        reopener.send_replace(());
        reloader.ask();
    });
    attend(app, stopped).await
}

/// The file at `path` and the environment, to be read anew.
fn source(path: &Path) -> Source {
    let path = path.to_owned();
    Source::new(move || Config::load(&path, environment()).map_err(|problems| problems.to_string()))
}

/// Runs it until it is told to stop, and keeps the service manager informed.
async fn attend(mut app: App, stopped: impl Future<Output = ()> + Send) -> Exit {
    let notifier = Notifier::from_environment();
    app.notify(notifier.clone());
    if let Some(interval) = watchdog::interval(environment(), std::process::id()) {
        tokio::spawn(watchdog::feed(notifier.clone(), interval, app.pulses(), pulse::PATIENCE));
    }
    // Its sockets are bound, and the system takes connections on them.
    notifier.ready();
    let telling = notifier.is_heard().then(|| tokio::spawn(status::tell(notifier.clone(), app.feeds())));
    let ended = app.run(async {
        stopped.await;
        // The last word is that it stops; signs of life go on to the end.
        if let Some(telling) = telling {
            telling.abort();
        }
        notifier.stopping();
    });
    Exit::of(ended.await)
}
