//! `axp-exporter run`: the daemon.

use std::path::Path;

use crate::app::App;
use crate::command::{Exit, block_on, complain};
use crate::config::Config;
use crate::ingest::feed::chain;
use crate::logging;
use crate::signals::Stop;

/// Runs with the configuration at `path` until a signal stops it.
pub(super) fn execute(path: &Path) -> Exit {
    let loaded = match Config::load(path, std::env::vars()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(problems);
            return Exit::Config;
        }
    };
    logging::init(&loaded.config.log);
    block_on(async {
        let stop = match Stop::listen() {
            Ok(stop) => stop,
            Err(err) => {
                complain(format_args!("failed to listen for signals: {err}"));
                return Exit::Internal;
            }
        };
        match App::build(loaded).await {
            Ok(app) => {
                app.run(stop.wait()).await;
                Exit::Success
            }
            Err(err) => {
                complain(format_args!("{}: {}", path.display(), chain(&err)));
                Exit::Config
            }
        }
    })
}
