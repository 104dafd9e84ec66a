//! The dashboards and rules that come with the exporter: what they are made of, and what real servers, fed by the
//! simulator, make of each of their queries.

mod board;
mod influxdb;
mod lint;
mod prometheus;
mod words;

use axp_exporter::simulator::{CentreOptions, Simulator, SimulatorOptions};

use crate::rig::Rig;

/// A contact centre where everything happens that boards show, and an exporter with `more` in its configuration.
async fn floor(more: &str) -> Rig {
    let options = SimulatorOptions {
        seed: Some(11),
        centre: CentreOptions { agents: 40, queues: 4, events_per_second: 60.0 },
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::bind(options).await.unwrap();
    let rig = Rig::start_on(simulator, &format!("{more}\n[privacy]\npersonal = \"keep\"\n"), &[], &[]).await;
    rig.ready().await;
    rig
}
