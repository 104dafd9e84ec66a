//! A pipeline under test, with a clock of its own and a look at both outputs.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::super::*;
use crate::config::{Personal, Producer};
use crate::label::relabel::{RelabelRule, Rules};
use crate::parse::names::Names;
use crate::parse::privacy::Privacy;
use crate::sink::exposition::{self, Format};
use crate::sink::queue::{self, Batch, LineReceiver};
use crate::table::rows::Limits;
use crate::telemetry::Telemetry;

pub(super) const START_NS: i64 = 1_643_645_393_849_000_000;
pub(super) const QUIET: Duration = Duration::from_secs(10);
pub(super) const STALE: Duration = Duration::from_secs(300);

/// What a test may set.
pub(super) struct Setup {
    pub(super) producer: Producer,
    pub(super) rules: Vec<RelabelRule>,
    pub(super) privacy: Privacy,
    pub(super) names: Arc<Names>,
    pub(super) limits: Limits,
    pub(super) on_delete: OnDelete,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            producer: Producer { id: "Queue_itd_1.0.0".to_owned(), ..Producer::default() },
            rules: Vec::new(),
            privacy: Privacy::new(Personal::Drop, &[], None),
            names: Arc::default(),
            limits: Limits::new(1000),
            on_delete: OnDelete::None,
        }
    }
}

pub(super) struct Bench {
    pub(super) pipeline: Pipeline,
    pub(super) telemetry: Telemetry,
    pub(super) now: Instant,
    table: SharedTable,
    receiver: LineReceiver,
}

impl Setup {
    pub(super) fn build(self) -> Bench {
        let telemetry = Telemetry::new(self.limits.series.limit());
        let (sender, receiver) = queue::lines(1, Counter::default());
        let outputs = vec![LineOutput { sender, on_delete: self.on_delete }];
        let (mut pipeline, table) = self.pipeline(&telemetry, outputs);
        let now = Instant::now();
        pipeline.session_opened(Moment { instant: now, unix_ns: START_NS });
        Bench { pipeline, telemetry, now, table, receiver }
    }

    pub(super) fn pipeline(self, telemetry: &Telemetry, outputs: Vec<LineOutput>) -> (Pipeline, SharedTable) {
        let blueprint = Blueprint {
            account_id: "EZCLTR".to_owned(),
            privacy: self.privacy,
            rules: Arc::new(Rules::compile(&self.rules).unwrap()),
            names: self.names,
            limits: self.limits,
            snapshot_quiet: QUIET,
            stale_after: STALE,
            ..Blueprint::default()
        };
        let metrics = telemetry.pipeline(&self.producer.id);
        blueprint.pipeline(self.producer, outputs, metrics)
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Setup::default().build()
    }

    /// Goes on under another setup, but for its `on_delete`; true if that leaves rows without
    /// values.
    pub(super) fn reload(&mut self, setup: Setup) -> bool {
        let parts = &self.pipeline.parts;
        let (mut heir, table) = setup.pipeline(&self.telemetry, parts.outputs.clone());
        let lacks_values = heir.adopt(&parts.derivation.measures, &read_table(&self.table), self.moment());
        let before = std::mem::replace(&mut self.pipeline, heir);
        self.pipeline.succeed(before);
        self.table = table;
        lacks_values
    }

    /// Now; by the wall it is always the same.
    pub(super) const fn moment(&self) -> Moment {
        Moment { instant: self.now, unix_ns: START_NS }
    }

    pub(super) fn apply(&mut self, frame: &str) -> Result<(), EventReject> {
        let now = self.moment();
        self.pipeline.apply(frame, now)
    }

    pub(super) fn apply_outgoing(&mut self, frame: &str) -> Result<(), EventReject> {
        let now = self.moment();
        self.pipeline.apply_outgoing(frame, now)
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.pipeline.tick(self.now);
    }

    /// Sends a LIVE event of a queue; panics if it is refused.
    pub(super) fn live(&mut self, queue: &str, measures: &str) {
        self.apply(&event("LIVE", "UPSERT", queue, measures)).unwrap();
    }

    pub(super) fn initializing(&mut self, queue: &str, measures: &str) {
        self.apply(&event("INITIALIZING", "UPSERT", queue, measures)).unwrap();
    }

    pub(super) fn delete(&mut self, queue: &str) {
        self.apply(&event("LIVE", "DELETE", queue, "{}")).unwrap();
    }

    pub(super) fn reconnect(&mut self) {
        self.pipeline.session_lost(self.moment());
        self.pipeline.session_opened(self.moment());
    }

    /// The exposition of the measures.
    pub(super) fn body(&self, format: Format) -> String {
        let mut out = Vec::new();
        exposition::render(&mut out, std::slice::from_ref(&self.table), &Registry::default(), format);
        String::from_utf8(out).unwrap().replace("# EOF\n", "")
    }

    /// The samples of the exposition, without HELP and TYPE.
    pub(super) fn samples(&self) -> Vec<String> {
        let samples = |format| {
            let body = self.body(format);
            body.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        let text = samples(Format::Text);
        assert_eq!(text, samples(Format::OpenMetrics), "both formats show the same");
        text
    }

    /// The samples of one metric, without its stem and the account.
    pub(super) fn samples_of(&self, measure: &str) -> Vec<String> {
        let metric = format!("axp_queue_itd_{measure}{{account_id=\"EZCLTR\",");
        let rest = |line: &String| line.strip_prefix(&metric).map(str::to_owned);
        self.samples().iter().filter_map(rest).collect()
    }

    /// What a scrape knows the table's state by.
    pub(super) fn version(&self) -> u64 {
        read_table(&self.table).version()
    }

    pub(super) fn series(&self) -> usize {
        read_table(&self.table).series()
    }

    /// The lines since the last look.
    pub(super) fn lines(&mut self) -> String {
        let mut batch = Batch::default();
        if self.receiver.has_more() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            assert!(runtime.block_on(self.receiver.receive(&mut batch, Duration::ZERO)));
        }
        String::from_utf8(batch.bytes).unwrap()
    }

    /// The lines of all rows, whole, which are sent a second after the start.
    pub(super) fn whole(&mut self) -> String {
        assert_eq!(self.lines(), "", "lines that nobody looked at");
        let now = Moment { unix_ns: START_NS + 1_000_000_000, ..self.moment() };
        self.gatherer()(now);
        self.lines()
    }

    /// Sends the lines of all rows, whole.
    pub(super) fn gatherer(&self) -> impl Fn(Moment) + Send + 'static {
        let (table, sender) = (Arc::clone(&self.table), self.pipeline.parts.outputs[0].sender.clone());
        move |now| {
            let mut next = Some(0);
            while let Some(from) = next {
                next = whole::send_rows(&table, from, &sender, now);
            }
        }
    }

    /// The sum of the exporter's own series that begin so.
    pub(super) fn count(&self, series: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, self.telemetry.registry()).unwrap();
        let prefix = format!("axp_exporter_{series}");
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with(&prefix)).collect();
        assert!(!found.is_empty(), "no {series} in\n{text}");
        found.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Rows retired for a cause.
    pub(super) fn retired(&self, cause: &str) -> u64 {
        self.count(&format!(r#"rows_retired_total{{measure_producer_id="Queue_itd_1.0.0",cause="{cause}"}}"#))
    }

    /// Readings refused for a reason.
    pub(super) fn rejected(&self, reason: &str) -> u64 {
        self.count(&format!(r#"readings_rejected_total{{reason="{reason}"}}"#))
    }

    /// Readings with an outcome.
    pub(super) fn readings(&self, outcome: &str) -> u64 {
        self.count(&format!(r#"readings_total{{outcome="{outcome}"}}"#))
    }

    /// Rows refused for a reason.
    pub(super) fn refused(&self, reason: &str) -> u64 {
        self.count(&format!(r#"rows_refused_total{{reason="{reason}"}}"#))
    }
}

/// An event of the queue producer.
pub(super) fn event(payload_type: &str, action: &str, queue: &str, measures: &str) -> String {
    format!(
        r#"{{"accountId":"EZCLTR","keys":{{"queueId":"{queue}"}},"eventAction":"{action}","eventSourceId":"IXCC_1.0.0","measureProducerId":"Queue_itd_1.0.0","payloadType":"{payload_type}","measures":{measures}}}"#
    )
}
