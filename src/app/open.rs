//! Opening: what the configuration names, made into what runs.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use url::Url;

use super::Error;
use crate::config::{Config, Loaded, SecretSource};
use crate::ingest::api::Api;
use crate::ingest::dial::Dialer;
use crate::label::relabel::Rules;
use crate::parse::privacy::Privacy;
use crate::pipeline::LineOutput;
use crate::recording::{Recorder, Writer};
use crate::sink::gauge::SinkGauge;
use crate::sink::influx::{Pace, Sink};
use crate::sink::queue::{self, LineReceiver};
use crate::telemetry::Telemetry;
use crate::web::listener::{self, Listener};

/// The configured sinks: the ends that lines go in, the ends they come out, and the gauges.
#[derive(Default)]
pub(super) struct Sinks {
    pub(super) outputs: Vec<LineOutput>,
    pub(super) tasks: Vec<(Sink, LineReceiver)>,
    pub(super) gauges: Vec<SinkGauge>,
}

/// The way out of sinks. The client certificate is for AXP, and shown to nobody else.
pub(super) fn way_of_sinks(loaded: &Loaded, telemetry: &Telemetry) -> Result<Dialer, Error> {
    Dialer::new(loaded.ca_file.as_deref(), None, 0, telemetry.tls_errors()).map_err(Error::Dial)
}

pub(super) async fn open_sinks(
    loaded: &Loaded,
    telemetry: &Telemetry,
    way_out: &watch::Receiver<Dialer>,
) -> Result<Sinks, Error> {
    let (mut opened, mut opening) = (Sinks::default(), Vec::new());
    let Loaded { config, secrets, .. } = loaded;
    for (influx, secrets) in config.influx.iter().zip(&secrets.influx) {
        let metrics = telemetry.sink(&influx.name);
        let batch_bytes = usize::try_from(influx.batch_bytes.get()).unwrap_or(usize::MAX);
        let (sender, receiver) = queue::lines(batch_bytes, metrics.dropped.clone());
        let spool_bytes_max = (!influx.spool_dir.as_os_str().is_empty()).then(|| influx.spool_bytes.get());
        let (metrics_seen, queue) = (metrics.clone(), receiver.gauge());
        opened.gauges.push(SinkGauge { metrics: metrics_seen, queue, spool_bytes_max });
        let sink = Sink::open(influx, secrets, way_out, Pace::default(), metrics);
        opening.push(async move { Ok((sink.await.map_err(Error::Sink)?, receiver)) });
        opened.outputs.push(LineOutput { sender, on_delete: influx.on_delete });
    }
    // All at once: each of them may wait for a disk.
    opened.tasks = join_all(opening).await.into_iter().collect::<Result<_, _>>()?;
    Ok(opened)
}

/// The recording, where one is configured, and where pipelines tell what is to be recorded.
pub(super) async fn open_recording(
    config: &Config,
    telemetry: &Telemetry,
) -> Result<Option<(Writer, Recorder)>, Error> {
    if !config.record.is_on() {
        return Ok(None);
    }
    let opened = Writer::open(&config.record, &config.axp.account_id, telemetry.recording()).await;
    opened.map(Some).map_err(Error::Record)
}

/// Where subscriptions are written down: as configured, or where systemd keeps the
/// program's state; else nowhere.
pub(super) fn ledger_path(config: &Config) -> Option<PathBuf> {
    if !config.axp.state_file.as_os_str().is_empty() {
        return Some(config.axp.state_file.clone());
    }
    let folder = std::env::var_os("STATE_DIRECTORY")?;
    // Several folders are separated by colons; the first is the program's own.
    let first = std::env::split_paths(&folder).next()?;
    Some(first.join("subscriptions.json"))
}

/// AXP's REST interfaces as the configuration names them, and the dialer that they use.
///
/// # Errors
/// What cannot be set up; nobody is called.
pub(crate) fn way_out(loaded: &Loaded, telemetry: &Telemetry) -> Result<(Api, Dialer), Error> {
    let Loaded { config, secrets, ca_file, client_certificate, .. } = loaded;
    let frame_bytes_max = usize::try_from(config.limits.frame_bytes.get()).unwrap_or(usize::MAX);
    let (certificate, tls_errors) = (client_certificate.clone(), telemetry.tls_errors());
    let dialer = Dialer::new(ca_file.as_deref(), certificate, frame_bytes_max, tls_errors);
    let dialer = dialer.map_err(Error::Dial)?;
    let base = url(&config.axp.api_url)?;
    let token_url = token_url(config, &base)?;
    let credentials = (secrets.client_secret.clone(), secrets.app_key.clone());
    let api = Api::new(&config.axp, base, token_url, credentials, &dialer, telemetry).map_err(Error::Dial)?;
    Ok((api, dialer))
}

/// What becomes of personal data.
///
/// # Errors
/// Where the key to hash it cannot be read.
pub(crate) fn privacy(config: &Config, hash_key: &SecretSource) -> Result<Privacy, Error> {
    let failed = |err| Error::Secret("privacy.hash_key_file", err);
    let key = if hash_key.is_set() { Some(hash_key.read().map_err(failed)?) } else { None };
    Ok(Privacy::new(config.privacy.personal, &config.privacy.measures, key.as_ref()))
}

/// Binds the addresses that are configured.
pub(super) async fn listeners(config: &Config) -> Result<Vec<Listener>, Error> {
    let mut listeners = Vec::new();
    for address in config.web.listen.addresses() {
        let bound = listener::bind(&address).await;
        listeners.extend(bound.map_err(|err| Error::Listen(address, err))?);
    }
    Ok(listeners)
}

/// The relabel rules.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn rules(config: &Config) -> Result<Arc<Rules>, Error> {
    Rules::compile(&config.relabel).map(Arc::new).map_err(Error::Relabel)
}

pub(super) fn url(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|err| Error::Url(text.to_owned(), err))
}

/// Where tokens are asked for: as configured, or where AXP has its own.
fn token_url(config: &Config, base: &Url) -> Result<Url, Error> {
    if !config.axp.token_url.is_empty() {
        return url(&config.axp.token_url);
    }
    let base = base.as_str().trim_end_matches('/');
    url(&format!("{base}/api/auth/v1/{}/protocol/openid-connect/token", config.axp.account_id))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::config::Account;
    use crate::hang::Hang;

    /// A folder whose lock hangs.
    fn stuck(folder: &Path) -> Hang {
        std::fs::create_dir(folder).unwrap();
        Hang::at(&folder.join("lock"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_whose_disk_hangs_holds_up_the_opening_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let _hangs = ["a.spool", "b.spool"].map(|name| stuck(&path(name)));
        let sink = |name: &str, spool: &str| {
            let spool = if spool.is_empty() { PathBuf::new() } else { path(spool) };
            let path = path(name);
            format!(
                "[[influx]]\nname = {name:?}\ntarget = \"file\"\npath = {path:?}\nspool_dir = {spool:?}\n"
            )
        };
        let text = [sink("a", "a.spool"), sink("b", "b.spool"), sink("c", "")].concat();
        let loaded = Config::from_text(Account::Optional, Path::new("test"), &text, std::iter::empty());
        let (loaded, telemetry) = (loaded.unwrap(), Telemetry::new(1));
        let (_way, way_out) = watch::channel(way_of_sinks(&loaded, &telemetry).unwrap());
        let meanwhile = async {
            let deadline = Instant::now() + Duration::from_secs(20);
            // The time that the others are waited for stands still.
            while !path("c").exists() {
                assert!(Instant::now() < deadline, "the last is not opened");
                tokio::task::yield_now().await;
            }
            loop {
                tokio::time::advance(Duration::from_millis(100)).await;
            }
        };
        let opened = tokio::select! {
            opened = open_sinks(&loaded, &telemetry, &way_out) => opened.unwrap(),
            () = meanwhile => unreachable!("it goes on for ever"),
        };
        assert_eq!(opened.tasks.len(), 3);
    }
}
