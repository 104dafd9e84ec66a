//! `axp-exporter run`: the daemon.

use std::path::Path;

use crate::app::App;
use crate::command::{Exit, complain, environment, run_until_stopped};
use crate::config::Config;
use crate::failure::describe;
use crate::logging;
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
        match App::build(loaded).await {
            Ok(app) => {
                let reopener = app.reopener();
                if let Err(err) = signals::on_hangup(move || reopener.send_replace(())) {
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
