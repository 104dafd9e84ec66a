//! `axp-exporter simulate`: the AXP look-alike alone, to point an exporter at.

use crate::command::{Exit, complain, run_until_stopped, say};
use crate::failure::describe;
use crate::logging;
use crate::simulator::{SimulateArgs, Simulator};

/// Runs the simulator until a signal stops it.
pub(super) fn execute(args: SimulateArgs) -> Exit {
    logging::init(&crate::config::Log::default());
    run_until_stopped(|stop| async move {
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
                complain(describe(&err));
                Exit::Usage
            }
        }
    })
}
