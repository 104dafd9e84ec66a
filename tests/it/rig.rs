//! Simulator and exporter in the test's own process, over real sockets on loopback.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axp_exporter::app::{self, App};
use axp_exporter::config::{Account, Config};
use axp_exporter::reload::{Reloader, Source};
use axp_exporter::simulator::{
    CentreOptions, Fault, Operation, Simulator, SimulatorHandle, SimulatorOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration of a feed of agents, and of no other.
pub(crate) const AGENTS: &str = "[[producer]]\nid = \"Agent_itd_1.0.0\"\n";

/// A task, and what ends it when dropped.
type Running<T = ()> = (oneshot::Sender<()>, JoinHandle<T>);

pub(crate) struct Rig {
    pub(crate) simulator: SimulatorHandle,
    pub(crate) account_id: String,
    configuration: String,
    /// What a reload reads.
    source: Arc<Mutex<String>>,
    reloader: Option<Reloader>,
    address: String,
    running_simulator: Option<Running>,
    running_app: Option<Running<Result<(), app::Fault>>>,
}

impl Rig {
    /// A paused contact centre and an exporter whose configuration has `more` in it.
    pub(crate) async fn start(more: &str) -> Self {
        Self::start_with(more, &[], &[]).await
    }

    /// The same, with faults that are there from the start, and environment variables.
    pub(crate) async fn start_with(more: &str, faults: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_on(simulator().await, more, faults, environment).await
    }

    /// The same, of a simulator whose address was needed before.
    pub(crate) async fn start_on(
        simulator: Simulator,
        more: &str,
        faults: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let handle = simulator.handle();
        handle.pause();
        let credentials = simulator.credentials();
        let configuration = format!(
            "{more}\n[axp]\napi_url = {:?}\naccount_id = {:?}\nclient_id = {:?}\nclient_secret = {:?}\napp_key = {:?}\n\
             snapshot_quiet = \"200ms\"\nping_interval = \"1s\"\n[web]\nlisten = \"127.0.0.1:0\"\n",
            simulator.url(),
            credentials.account_id,
            credentials.client_id,
            credentials.client_secret,
            credentials.app_key,
        );
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(simulator.run(async move { drop(stopped.await) }));
        let mut rig = Self {
            simulator: handle,
            account_id: credentials.account_id,
            source: Arc::new(Mutex::new(configuration.clone())),
            configuration,
            reloader: None,
            address: String::new(),
            running_simulator: Some((stop, running)),
            running_app: None,
        };
        for fault in faults {
            rig.fault(fault);
        }
        rig.restart(environment).await;
        rig
    }

    /// Starts another exporter, with these environment variables, in the place of the one
    /// that ended.
    pub(crate) async fn restart(&mut self, environment: &[(&str, &str)]) {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let loaded =
            Config::from_text(Account::Required, Path::new("test"), &self.configuration, environment);
        let app = App::build(loaded.unwrap_or_else(|problems| panic!("{problems}")), self.source()).await;
        let app = app.unwrap();
        self.reloader = Some(app.reloader());
        let url = app.metrics_urls().remove(0);
        self.address = between(&url, "http://", "/");
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run(async move { drop(stopped.await) }));
        self.running_app = Some((stop, running));
    }

    fn source(&self) -> Source {
        let text = Arc::clone(&self.source);
        Source::new(move || {
            let text = text.lock().unwrap().clone();
            Config::from_text(Account::Required, Path::new("test"), &text, std::iter::empty())
                .map_err(|problems| problems.to_string())
        })
    }

    /// The configuration as it was at the start.
    pub(crate) fn configuration(&self) -> &str {
        &self.configuration
    }

    /// What the next reload reads.
    pub(crate) fn write_configuration(&self, text: &str) {
        text.clone_into(&mut self.source.lock().unwrap());
    }

    /// Reloads this configuration.
    pub(crate) async fn reload(&self, text: &str) -> Result<String, String> {
        self.write_configuration(text);
        self.reloader.as_ref().unwrap().reload().await
    }

    /// Asks for a reload as SIGHUP does.
    pub(crate) fn ask_for_reload(&self) {
        self.reloader.as_ref().unwrap().ask();
    }

    /// Ends the exporter without a chance to tidy up.
    pub(crate) async fn crash(&mut self) {
        let (_stop, running) = self.running_app.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    /// Stops the exporter and waits for it.
    pub(crate) async fn stop_app(&mut self) {
        if let Some((stop, running)) = self.running_app.take() {
            drop(stop);
            running.await.unwrap().unwrap();
        }
    }

    /// Stops the exporter, then the simulator, and waits for both.
    pub(crate) async fn stop(&mut self) {
        self.stop_app().await;
        let (stop, running) = self.running_simulator.take().unwrap();
        drop(stop);
        running.await.unwrap();
    }

    /// Injects a fault, given as the admin endpoint takes it.
    pub(crate) fn fault(&self, json: &str) -> usize {
        let fault: Fault = serde_json::from_str(json).unwrap();
        self.simulator.inject(fault).unwrap()
    }

    /// Where it is scraped: host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The status and body of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path).await
    }

    /// The status and body of an answer.
    pub(crate) async fn request(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Where the metrics are.
    pub(crate) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// The samples of `/metrics` that begin so.
    pub(crate) async fn samples(&self, prefix: &str) -> Vec<String> {
        let (status, body) = self.get("/metrics").await;
        assert_eq!(status, 200);
        body.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// The value of one sample, the whole name and labels given; NaN where it is not there.
    pub(crate) async fn value(&self, series: &str) -> f64 {
        let samples = self.samples(&format!("{series} ")).await;
        samples.first().map_or(f64::NAN, |sample| sample.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// The value of one of the exporter's own metrics for the agent producer.
    pub(crate) async fn of_agents(&self, metric: &str, labels: &str) -> f64 {
        let labels = if labels.is_empty() { String::new() } else { format!(",{labels}") };
        self.value(&format!(r#"axp_exporter_{metric}{{measure_producer_id="Agent_itd_1.0.0"{labels}}}"#))
            .await
    }

    /// How often the agents' session ended for this reason.
    pub(crate) async fn reconnects(&self, reason: &str) -> f64 {
        self.of_agents("reconnects_total", &format!("reason=\"{reason}\"")).await
    }

    /// Whether the agents' feed is up.
    pub(crate) async fn is_up(&self) -> bool {
        self.of_agents("feed_up", "").await == 1.0
    }

    /// How often the simulator was asked to do this.
    pub(crate) fn requests(&self, operation: Operation) -> u64 {
        self.simulator.requests()[&operation]
    }

    /// The agents that `/metrics` shows.
    pub(crate) async fn agents(&self) -> BTreeSet<String> {
        let samples = self.samples("axp_agent_itd_agent_logon_duration_seconds{").await;
        samples.iter().map(|sample| between(sample, "agent_id=\"", "\"")).collect()
    }

    /// The agents that the contact centre has.
    pub(crate) fn agents_upstream(&self) -> BTreeSet<String> {
        let rows = self.simulator.rows("Agent_itd_1.0.0");
        rows.into_iter().flat_map(|(keys, _)| keys).map(|(_, value)| value).collect()
    }

    /// Waits until `/-/ready` says so.
    pub(crate) async fn ready(&self) {
        wait_for("the exporter to be ready", || async { self.get("/-/ready").await.0 == 200 }).await;
    }
}

/// A simulator that listens and does not serve yet.
pub(crate) async fn simulator() -> Simulator {
    let options = SimulatorOptions {
        seed: Some(7),
        centre: CentreOptions { agents: 10, queues: 3, events_per_second: 20.0 },
        ..SimulatorOptions::default()
    };
    Simulator::bind(options).await.unwrap()
}

/// What stands between two marks.
pub(crate) fn between(text: &str, before: &str, after: &str) -> String {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0.to_owned()
}

/// Polls a condition until it holds; fails loudly when it never does.
pub(crate) async fn wait_for<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
