//! `axp-exporter run`: the daemon.

use std::path::Path;

use crate::app::App;
use crate::command::{Exit, complain, environment, run_until_stopped};
use crate::config::Config;
use crate::failure::describe;
use crate::logging;

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
