//! A link that dies in the middle: nothing comes through any more, and neither end is told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::rig::{AGENTS, Rig, simulator, wait_for};

/// Of the rig's configuration.
const PING_INTERVAL: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_link_that_dies_in_the_middle_is_noticed_by_pings_and_replaced() {
    let simulator = simulator().await;
    let link = Link::start(simulator.local_addr()).await;
    let endpoint =
        format!(r#"{{"fault":"endpoint","endpoint":"ws://{}{{path}}","times":null}}"#, link.address);
    let api_url = format!("http://{}", link.address);
    let environment = [("AXP_EXPORTER_AXP__API_URL", api_url.as_str())];
    let mut rig = Rig::start_on(simulator, AGENTS, &[&endpoint], &environment).await;
    rig.ready().await;
    rig.simulator.resume();
    let live = r#"payload_type="live",event_action="upsert""#;
    wait_for("live events", || async { rig.of_agents("events_total", live).await > 3.0 }).await;
    assert!(rig.samples("axp_exporter_reconnects_total{").await.iter().all(|sample| sample.ends_with(" 0")));

    link.cut();
    let cut_at = Instant::now();
    let noticed = || async { rig.of_agents("reconnects_total", r#"reason="ping""#).await == 1.0 };
    wait_for("the dead link to be noticed", noticed).await;
    let noticed_after = cut_at.elapsed();
    assert!(noticed_after <= 2 * PING_INTERVAL + Duration::from_secs(5), "{noticed_after:?}");
    wait_for("the feed to be up", || async { rig.of_agents("feed_up", "").await == 1.0 }).await;
    rig.ready().await;
    let back_after = cut_at.elapsed();
    println!("dead link: noticed after {noticed_after:?}, replaced after {back_after:?}");

    rig.simulator.pause();
    let agent = rig.simulator.log_out(None).unwrap();
    wait_for("the DELETE", || async { !rig.agents().await.contains(&agent) }).await;
    assert_eq!(rig.agents().await, rig.agents_upstream());
    let reconnects = rig.samples("axp_exporter_reconnects_total{").await;
    let other = reconnects.iter().filter(|sample| !sample.contains(r#"reason="ping""#));
    assert!(other.clone().all(|sample| sample.ends_with(" 0")), "{reconnects:?}");
    rig.stop().await;
}

/// A way to an address that can die.
struct Link {
    address: SocketAddr,
    /// How often it has died.
    cuts: watch::Sender<u32>,
}

impl Link {
    async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                connections.spawn(carry(client, upstream, cut));
            }
        });
        Self { address, cuts }
    }

    /// From now on all connections that there are swallow what is sent; new ones are good.
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Carries both ways until the cut, then swallows until both ends have given up.
async fn carry(mut client: TcpStream, upstream: SocketAddr, mut cut: watch::Receiver<u32>) {
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
        Ok(()) = cut.changed() => {}
    }
    tokio::join!(swallow(client), swallow(server));
}

async fn swallow(mut stream: TcpStream) {
    let mut swallowed = [0; 4096];
    while !matches!(stream.read(&mut swallowed).await, Ok(0) | Err(_)) {}
}
