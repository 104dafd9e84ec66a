//! `axp-exporter run`: the daemon.

use std::path::Path;

use crate::app::App;
use crate::command::{Exit, complain, environment, run_until_stopped};
use crate::config::Config;
use crate::failure::describe;
use crate::logging;
use crate::reload::Source;
use crate::signals;

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
    run_until_stopped(|stop| async move {
        match App::build(loaded, source(path)).await {
            Ok(app) => {
                let (reopener, reloader) = (app.reopener(), app.reloader());
                let hung_up = signals::on_hangup(move || {
                    reopener.send_replace(());
                    let reloader = reloader.clone();
                    tokio::spawn(async move { reloader.reload().await });
                });
                if let Err(err) = hung_up {
                    complain(format_args!("failed to listen for SIGHUP: {err}"));
                    return Exit::Internal;
                }
                app.run(stop.wait()).await;
                Exit::Success
            }
            Err(err) => {
                complain(format_args!("{}: {}", path.display(), describe(&err)));
                Exit::Config
            }
        }
    })
}

/// The file at `path` and the environment, to be read anew.
fn source(path: &Path) -> Source {
    let path = path.to_owned();
    Source::new(move || Config::load(&path, environment()).map_err(|problems| problems.to_string()))
}
