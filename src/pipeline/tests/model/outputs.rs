//! The pipeline with both its outputs, and how they are read: the exposition by the strict parser, lines
//! by that of InfluxDB 3. One sink of lines takes them at once; the other is away most of the time, and
//! its queue holds a handful.

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::super::super::{LineOutput, Moment, Pipeline, SharedTable, read_table};
use super::super::book::read_everywhere;
use super::naive::{Field, Naive, Point, Readings};
use super::settings::Settings;
use crate::config::OnDelete;
use crate::legal::{self, Syntax};
use crate::sink::exposition::{self, Format};
use crate::sink::queue::{self, Batch, LineReceiver};
use crate::table::rows::Limits;
use crate::telemetry::Telemetry;

/// Most bytes that wait for the sink that is away.
const AWAY_BYTES: usize = 600;

pub(super) struct Outputs<'t> {
    pub(super) pipeline: Pipeline,
    telemetry: &'t Telemetry,
    table: SharedTable,
    limits: Limits,
    /// What was counted before.
    readings_before: Readings,
    healthy: LineReceiver,
    away: LineReceiver,
    dropped: Counter,
    /// What should wait for the sink that is away.
    waits: String,
    /// Lines made for it, and those of them that it took.
    made: u64,
    taken: u64,
}

impl<'t> Outputs<'t> {
    pub(super) fn new(settings: Settings, telemetry: &'t Telemetry) -> Self {
        let dropped = Counter::default();
        let (to_healthy, healthy) = queue::lines(1, Counter::default());
        let (to_away, away) = queue::bounded(1, AWAY_BYTES, dropped.clone());
        let outputs = vec![
            LineOutput { sender: to_healthy, on_delete: OnDelete::Marker },
            LineOutput { sender: to_away, on_delete: OnDelete::None },
        ];
        let setup = settings.setup();
        let limits = setup.limits.clone();
        let (pipeline, table) = setup.pipeline(telemetry, outputs);
        let readings_before = readings(&pipeline);
        let waits = String::new();
        Self {
            pipeline,
            telemetry,
            table,
            limits,
            readings_before,
            healthy,
            away,
            dropped,
            waits,
            made: 0,
            taken: 0,
        }
    }

    pub(super) fn reload(&mut self, settings: Settings, now: Moment) -> bool {
        let setup = settings.setup();
        let limits = std::mem::replace(&mut self.limits, setup.limits.clone());
        let (mut heir, table) = setup.pipeline(self.telemetry, self.pipeline.parts.outputs.clone());
        let lacks_values = heir.adopt(self.pipeline.measures(), &read_table(&self.table), now);
        let before = std::mem::replace(&mut self.pipeline, heir);
        self.pipeline.succeed(before);
        self.table = table;
        assert_eq!((limits.series.taken(), limits.rows.taken()), (0, 0), "all places are given back");
        lacks_values
    }

    /// Compares all that can be seen with what it should be.
    pub(super) fn check(&mut self, naive: &mut Naive) {
        let body = self.body(Format::Text);
        let series = legal::read(Syntax::Text, &body).unwrap_or_else(|what| panic!("{what}\nin\n{body}"));
        assert_eq!(series, naive.series(), "the exposition");
        let table = read_table(&self.table);
        assert_eq!(table.series(), series.len(), "the count of series");
        assert_eq!(self.limits.series.taken(), naive.taken(), "places taken");
        assert!(naive.taken() <= self.limits.series.limit() && naive.rows.len() <= self.limits.rows.limit());
        assert_eq!(self.limits.rows.taken(), naive.rows.len(), "rows held");
        assert_eq!(table.places_end(), naive.places.len(), "rows have no more places than there were rows");
        drop(table);
        let before = self.readings_before;
        let now = readings(&self.pipeline);
        let since = Readings {
            applied: now.applied - before.applied,
            absent: now.absent - before.absent,
            denied: now.denied - before.denied,
            rejected: now.rejected - before.rejected,
        };
        assert_eq!(since, naive.readings, "the count of readings");
        self.check_lines(&std::mem::take(&mut naive.points));
    }

    fn check_lines(&mut self, expected: &[Point]) {
        let lines = taken(&self.healthy);
        let points: Vec<Point> = parse_lines(&lines).map(|line| point(line.unwrap())).collect();
        assert_eq!(points, expected, "the lines\n{lines}");
        for line in lines.split_inclusive('\n').filter(|line| !line.contains(" retired=")) {
            self.made += 1;
            if self.waits.len() + line.len() <= AWAY_BYTES {
                self.waits.push_str(line);
            }
        }
        assert_eq!(self.made, self.taken + self.dropped() + self.away.gauge().lines(), "lines away");
        assert_eq!(self.away.gauge().bytes(), self.waits.len());
    }

    /// The sink that was away takes what there is.
    pub(super) fn drain(&mut self) {
        let lines = taken(&self.away);
        assert_eq!(lines, self.waits, "those that found room, in order");
        self.taken += lines.matches('\n').count() as u64;
        self.waits.clear();
    }

    pub(super) fn scrape_all(&self) {
        read_everywhere(|format| self.body(format));
    }

    /// Lines that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Ends all of it: nothing is held any more.
    pub(super) fn end(self) {
        let limits = self.limits.clone();
        drop(self);
        assert_eq!((limits.series.taken(), limits.rows.taken()), (0, 0), "all places are given back");
    }

    fn body(&self, format: Format) -> String {
        let mut out = Vec::new();
        exposition::render(&mut out, std::slice::from_ref(&self.table), &Registry::default(), format);
        String::from_utf8(out).unwrap().replace("# EOF\n", "")
    }
}

/// The readings counted so far.
fn readings(pipeline: &Pipeline) -> Readings {
    let metrics = &pipeline.parts.metrics;
    Readings {
        applied: metrics.readings_applied.get(),
        absent: metrics.readings_absent.get(),
        denied: metrics.readings_denied.get(),
        rejected: metrics.all_readings_rejected(),
    }
}

fn taken(receiver: &LineReceiver) -> String {
    let mut batch = Batch::default();
    receiver.take(&mut batch);
    String::from_utf8(batch.bytes).unwrap()
}

/// A line as it is read back.
fn point(line: ParsedLine<'_>) -> Point {
    assert_eq!(line.series.measurement.to_string(), "queue_itd");
    let tags = line.series.tag_set.iter().flatten();
    let field = |value| match value {
        FieldValue::F64(number) => Field::Number(number),
        FieldValue::Boolean(is_true) => Field::Boolean(is_true),
        FieldValue::String(text) => Field::Text(text.to_string()),
        other => panic!("{other:?} is none of ours"),
    };
    Point {
        tags: tags.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        time_ns: line.timestamp.unwrap(),
        fields: line.field_set.into_iter().map(|(name, value)| (name.to_string(), field(value))).collect(),
    }
}
