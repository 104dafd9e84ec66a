//! `axp-exporter simulate`: the AXP look-alike alone, to point an exporter at.

use crate::command::{Exit, block_on, complain, say};
use crate::ingest::feed::chain;
use crate::logging;
use crate::signals::Stop;
use crate::simulator::{SimulateArgs, Simulator};

/// Runs the simulator until a signal stops it.
pub(super) fn execute(args: SimulateArgs) -> Exit {
    logging::init(&crate::config::Log::default());
    block_on(async {
        let stop = match Stop::listen() {
            Ok(stop) => stop,
            Err(err) => {
                complain(format_args!("failed to listen for signals: {err}"));
                return Exit::Internal;
            }
        };
        match Simulator::bind(args.into()).await {
            Ok(simulator) => {
                let credentials = simulator.credentials();
                say(format_args!(
                    "# A simulated AXP (seed {}). Point an exporter at it with:\n\
                     [axp]\napi_url = \"{}\"\naccount_id = \"{}\"\nclient_id = \"{}\"\n\
                     client_secret = \"{}\"\napp_key = \"{}\"",
                    simulator.seed(),
                    simulator.url(),
                    credentials.account_id,
                    credentials.client_id,
                    credentials.client_secret,
                    credentials.app_key,
                ));
                simulator.run(stop.wait()).await;
                Exit::Success
            }
            Err(err) => {
                complain(chain(&err));
                Exit::Usage
            }
        }
    })
}
