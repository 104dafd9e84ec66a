//! How the documents come together: reports of the feeds, beside what the tables hold.

use std::iter;
use std::sync::{Arc, PoisonError};

use super::Status;
use super::census::{BITE_ROWS, TOP};
use super::document::{
    CardinalityDocument, Documents, FeedDocument, LimitDocument, LimitsDocument, MeasureDocument,
    MeasuresDocument, MetricDocument, RefusalDocument, SinkDocument, StatusDocument, ValueDocument,
};
use crate::config::Kind;
use crate::ingest::api::unix_seconds;
use crate::ingest::feeds::FeedState;
use crate::ingest::report::FeedReport;
use crate::label::labels::clean_value;
use crate::parse::measures::MEASURES_MAX;
use crate::pipeline::refusals::VALUE_BYTES_MAX;
use crate::pipeline::report::{MeasureReport, Report};
use crate::pipeline::{SharedTable, read_table};
use crate::sink::gauge::SinkGauge;
use crate::sink::queue::QUEUE_BYTES_MAX;
use crate::table::column::Column;
use crate::table::places::Places;
use crate::table::row::Standing;
use crate::table::rows::{ColumnId, RowId, Table};
use crate::telemetry::{REVISION, VERSION};

/// Bites of rows in which values are looked for; a measure that has one further on shows none.
const BITES_MAX: usize = 32;

/// A report, or why there is none.
pub(super) type Reported = Result<FeedReport, &'static str>;

impl Status {
    /// Makes both documents; blocks for as long as reading the tables takes.
    ///
    /// # Errors
    /// As [`Documents::new`].
    pub(super) fn compose(
        &self,
        feeds: &[Arc<FeedState>],
        reports: Vec<Reported>,
    ) -> serde_json::Result<Documents> {
        let now_at = unix_seconds();
        let (mut documents, mut measures, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        for (feed, reported) in iter::zip(feeds, reports) {
            if let Ok(report) = &reported {
                measures.extend(measures_of(feed, &report.pipeline));
                refusals.extend(refusals_of(feed, &report.pipeline));
            }
            documents.push(feed_document(feed, reported));
        }
        refusals.sort_by(|a, b| b.at.total_cmp(&a.at));
        let waiting_for = self.feeds.waiting_for();
        let limits = self.feeds.limits();
        let most = documents.iter().filter_map(|feed| feed.measures).max();
        let status = StatusDocument {
            now_at,
            version: VERSION,
            revision: REVISION,
            started_at: self.started_at,
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            ready: waiting_for.as_ref().is_some_and(Vec::is_empty),
            waiting_for,
            token_expires_at: Some(self.telemetry.token_expiry().get()).filter(|at| *at > 0.0),
            feeds: documents,
            limits: LimitsDocument {
                series: places(&limits.series),
                rows: places(&limits.rows),
                measures: LimitDocument { used: most.unwrap_or_default(), limit: MEASURES_MAX },
            },
            sinks: self.sinks.iter().map(sink_document).collect(),
            cardinality: self.cardinality(feeds),
            refusals,
        };
        Documents::new(status, &MeasuresDocument { now_at, measures })
    }

    fn cardinality(&self, feeds: &[Arc<FeedState>]) -> CardinalityDocument {
        let tables: Vec<SharedTable> = feeds.iter().map(|feed| feed.table()).collect();
        let mut metrics: Vec<MetricDocument> = tables.iter().flat_map(metrics_of).collect();
        metrics.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.metric.cmp(&b.metric)));
        metrics.truncate(TOP);
        let (labels, labels_counted_at) =
            self.census.lock().unwrap_or_else(PoisonError::into_inner).labels(&tables);
        CardinalityDocument { metrics, labels, labels_counted_at }
    }
}

fn places(places: &Places) -> LimitDocument {
    LimitDocument { used: places.taken(), limit: places.limit() }
}

fn sink_document(SinkGauge { metrics, queue, spool_bytes_max }: &SinkGauge) -> SinkDocument {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let on_disk = u64::try_from(metrics.spool_bytes.get()).unwrap_or_default();
    let spool = |most: u64| LimitDocument { used: bytes(on_disk), limit: bytes(most) };
    SinkDocument {
        name: metrics.name.clone(),
        up: metrics.up.get() == 1,
        written: metrics.written.get(),
        rejected: metrics.rejected.get(),
        dropped: metrics.dropped.get(),
        queue_lines: queue.lines(),
        queue_bytes: LimitDocument { used: queue.bytes(), limit: QUEUE_BYTES_MAX },
        spool_bytes: spool_bytes_max.map(spool),
    }
}

fn feed_document(feed: &FeedState, reported: Reported) -> FeedDocument {
    let table = feed.table();
    let table = read_table(&table);
    let (rows, series) = (table.rows_held(), table.series());
    drop(table);
    let state = match &reported {
        Ok(report) => report.state,
        Err(why) => why,
    };
    let report = reported.ok();
    let data = match &report {
        None => "unknown",
        Some(report) if state == "up" && report.snapshot_complete => "current",
        Some(_) if state == "up" => "loading",
        Some(_) if rows > 0 => "stale",
        Some(_) => "none",
    };
    let of = report.as_ref();
    FeedDocument {
        producer_id: feed.producer_id().to_owned(),
        state,
        data,
        waits_until_at: of.and_then(|report| report.waits_until),
        taking_over: of.map(|report| report.taking_over),
        snapshot_complete: of.map(|report| report.snapshot_complete),
        last_event_at: of.and_then(|report| report.last_event_at),
        ping_seconds: of.and_then(|report| report.ping_seconds),
        subscription_expires_at: of.and_then(|report| report.subscription_expires_at),
        measures: of.map(|report| report.pipeline.measures.len()),
        trouble: of.and_then(|report| report.setback.clone()),
        reconnects: report.map(|report| report.reconnects),
        rows,
        series,
    }
}

fn refusals_of(feed: &FeedState, report: &Report) -> impl Iterator<Item = RefusalDocument> {
    report.refusals.iter().cloned().map(|refusal| {
        #[expect(clippy::cast_precision_loss, reason = "a time to read needs no nanoseconds")]
        let at = refusal.unix_ns as f64 / 1e9;
        let (measure, reason, value) = (refusal.measure, refusal.reason, refusal.value);
        RefusalDocument { at, producer_id: feed.producer_id().to_owned(), measure, reason, value }
    })
}

/// The metrics of a table that have series.
fn metrics_of(table: &SharedTable) -> Vec<MetricDocument> {
    let table = read_table(table);
    let document =
        |metric, series| MetricDocument { metric, producer_id: table.producer_id().to_owned(), series };
    let infos = document(format!("axp_{}_info", table.stem()), table.infos());
    let of_columns = table.columns().iter();
    let of_columns =
        of_columns.map(|column| document(column.spec.metric.clone(), column.shown * column.weight()));
    of_columns.chain([infos]).filter(|metric| metric.series > 0).collect()
}

fn measures_of(feed: &FeedState, report: &Report) -> Vec<MeasureDocument> {
    let mut documents: Vec<MeasureDocument> = report
        .measures
        .iter()
        .map(|measure| {
            let MeasureReport { name, metric, label, verdict, reason, personal, refusals, .. } =
                measure.clone();
            let producer_id = feed.producer_id().to_owned();
            let kind = measure.kind.map(Kind::as_str);
            let (series, value) = (0, None);
            MeasureDocument {
                producer_id,
                name,
                metric,
                label,
                kind,
                verdict,
                reason,
                series,
                value,
                personal,
                refusals,
            }
        })
        .collect();
    read_values(&feed.table(), report, &mut documents);
    documents
}

/// Reads series, and one value each: of the row of the last event, or of the first that has one.
fn read_values(table: &SharedTable, report: &Report, documents: &mut [MeasureDocument]) {
    let mut wanted = Vec::new();
    let locked = read_table(table);
    for (index, (measure, document)) in iter::zip(&report.measures, documents.iter_mut()).enumerate() {
        let Some(column) = measure.column else { continue };
        if let Some(known) = locked.columns().get(column as usize) {
            document.series = known.shown * known.weight();
            let has_none = !known.is_text() && known.shown == 0;
            if !measure.personal && !has_none {
                wanted.push((index, column));
            }
        }
    }
    drop(locked);
    let mut begin = 0;
    let mut ids: Vec<RowId> = report.last_row.into_iter().collect();
    for _ in 0..BITES_MAX {
        let table = read_table(table);
        for id in ids.drain(..) {
            wanted.retain(|(index, column)| {
                let value = value(&table, id, *column);
                let document = documents.get_mut(*index).filter(|_| value.is_some());
                document.map(|document| document.value = value).is_none()
            });
        }
        let end = (begin + BITE_ROWS).min(table.places_end());
        if wanted.is_empty() || begin == end {
            return;
        }
        ids.extend(begin..end);
        begin = end;
    }
}

/// What a row shows in a column; none where that is nothing.
fn value(table: &Table, id: RowId, column: ColumnId) -> Option<ValueDocument> {
    table.row(id).filter(|row| row.standing == Standing::Shown)?;
    let text = |text: &str| ValueDocument::Text(clean_value(text, VALUE_BYTES_MAX).into_owned());
    let Column { spec, slot, states, .. } = table.columns().get(column as usize)?;
    let cell = Some(table.cell(id, *slot)).filter(|cell| !cell.is_nan())?;
    match spec.kind {
        Kind::Text => table.text(id, column).map(text),
        #[expect(clippy::float_cmp, reason = "a boolean is exactly 0 or 1")]
        Kind::Boolean => Some(ValueDocument::Boolean(cell == 1.0)),
        Kind::State => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 32 states")]
            let state = states.get(cell as usize)?;
            Some(text(&state.name))
        }
        _ => Some(ValueDocument::Number(cell)),
    }
}
