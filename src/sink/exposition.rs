//! The exposition: what `/metrics` answers.
//!
//! Two formats: the
//! [text format 0.0.4](https://prometheus.io/docs/instrumenting/exposition_formats/) and
//! [OpenMetrics 1.0.0](https://prometheus.io/docs/specs/om/open_metrics_spec/). Both show
//! the same series, families by name, rows by labels, no timestamps: a series that is not
//! there is gone, and Prometheus marks it stale at once.
//!
//! The measures have their own encoder, which walks columns and appends text prepared
//! when a row appeared; the exporter's own metrics come from prometheus-client behind
//! them. What is appended is legal by construction: names, label text and help were
//! cleaned and escaped before, and values are finite.

use std::sync::RwLockReadGuard;

use prometheus_client::registry::Registry;

use crate::config::Kind;
use crate::parse::number;
use crate::pipeline::{SharedTable, read_table};
use crate::table::column::{Column, Slot};
use crate::table::rows::Table;

/// How series are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of an answer in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The value of the `format` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::OpenMetrics => "openmetrics",
        }
    }
}

/// Appends all series of the tables, then the registry's, to `out`.
pub fn render(out: &mut Vec<u8>, tables: &[SharedTable], registry: &Registry, format: Format) {
    {
        let tables: Vec<_> = tables.iter().map(read_table).collect();
        for family in families(&tables) {
            family.render(out, format);
        }
    }
    let mut own = String::new();
    // Writing into a String cannot fail; what an encoder of a metric refuses is left out.
    let _ = prometheus_client::encoding::text::encode(&mut own, registry);
    match format {
        Format::OpenMetrics => out.extend_from_slice(own.as_bytes()),
        Format::Text => append_as_text(out, &own),
    }
}

/// One metric name with its source.
struct Family<'t> {
    metric: String,
    table: &'t Table,
    /// None for the info family.
    column: Option<&'t Column>,
}

/// Every family with a series to show, by name.
fn families<'t>(tables: &'t [RwLockReadGuard<'_, Table>]) -> Vec<Family<'t>> {
    let mut families = Vec::new();
    for table in tables.iter().map(|table| &**table) {
        for column in table.columns().iter().filter(|column| column.shown > 0) {
            families.push(Family { metric: column.spec.metric.clone(), table, column: Some(column) });
        }
        if table.infos() > 0 {
            families.push(Family { metric: format!("axp_{}_info", table.stem()), table, column: None });
        }
    }
    families.sort_unstable_by(|a, b| a.metric.cmp(&b.metric));
    families
}

impl Family<'_> {
    fn render(&self, out: &mut Vec<u8>, format: Format) {
        match self.column {
            Some(column) => self.render_column(out, column, format),
            None => self.render_info(out, format),
        }
    }

    fn render_info(&self, out: &mut Vec<u8>, format: Format) {
        let help = format!("Texts of {} that are no labels of all its series", self.table.producer_id());
        let (name, kind) = match format {
            Format::Text => (&*self.metric, "gauge"),
            // The family of an info metric is named without the suffix of its sample.
            Format::OpenMetrics => (self.metric.strip_suffix("_info").unwrap_or(&self.metric), "info"),
        };
        write_head(out, name, kind, &help, format);
        for (_, row) in self.table.shown().filter(|(_, row)| row.info_texts > 0) {
            write_sample(out, &self.metric, &row.info);
            out.extend_from_slice(b"1\n");
        }
    }

    fn render_column(&self, out: &mut Vec<u8>, column: &Column, format: Format) {
        let Slot::Cell(slot) = column.slot else {
            return;
        };
        write_head(out, &self.metric, "gauge", &column.spec.help, format);
        for (id, row) in self.table.shown() {
            let value = self.table.cell(id, slot);
            if value.is_nan() {
                continue;
            }
            if column.spec.kind == Kind::State {
                self.render_states(out, column, &row.text, row.state_at, value);
            } else {
                write_sample(out, &self.metric, &row.text);
                number::write(out, value);
                out.push(b'\n');
            }
        }
    }

    /// One sample for each state: 1 for the current one, 0 for the others.
    fn render_states(&self, out: &mut Vec<u8>, column: &Column, text: &str, state_at: usize, current: f64) {
        let (before, after) = text.split_at_checked(state_at).unwrap_or((text, ""));
        let mut states: Vec<(usize, &str)> =
            column.states.iter().map(|state| &*state.pair).enumerate().collect();
        states.sort_unstable_by_key(|(_, pair)| *pair);
        for (index, pair) in states {
            out.extend_from_slice(self.metric.as_bytes());
            out.push(b'{');
            let parts = [before.trim_end_matches(','), pair, after.trim_start_matches(',')];
            for (position, part) in parts.into_iter().filter(|part| !part.is_empty()).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(part.as_bytes());
            }
            #[expect(
                clippy::cast_precision_loss,
                clippy::float_cmp,
                reason = "a state is a small whole number"
            )]
            let is_current = index as f64 == current;
            out.extend_from_slice(if is_current { b"} 1\n" } else { b"} 0\n" });
        }
    }
}

/// `name{labels} `, or `name ` for a row whose rules left it no label.
fn write_sample(out: &mut Vec<u8>, metric: &str, labels: &str) {
    out.extend_from_slice(metric.as_bytes());
    if !labels.is_empty() {
        out.push(b'{');
        out.extend_from_slice(labels.as_bytes());
        out.push(b'}');
    }
    out.push(b' ');
}

fn write_head(out: &mut Vec<u8>, name: &str, kind: &str, help: &str, format: Format) {
    let line = |out: &mut Vec<u8>, parts: [&str; 3]| {
        out.extend_from_slice(b"# ");
        out.extend_from_slice(parts.join(" ").as_bytes());
        out.push(b'\n');
    };
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    // OpenMetrics escapes quotes in help, the text format does not.
    let help = if format == Format::OpenMetrics { help.replace('"', "\\\"") } else { help };
    line(out, ["HELP", name, &help]);
    line(out, ["TYPE", name, kind]);
    // An info family has no unit, whatever its name ends in.
    if format == Format::OpenMetrics && kind == "gauge" {
        for unit in ["seconds", "ratio"] {
            if name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')) {
                line(out, ["UNIT", name, unit]);
            }
        }
    }
}

/// Rewrites prometheus-client's OpenMetrics as text 0.0.4: counters and info carry their
/// suffix in HELP and TYPE too, there is no UNIT and no end mark.
fn append_as_text(out: &mut Vec<u8>, openmetrics: &str) {
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, text)) = help.take().filter(|(helped, _)| *helped == name) {
                out.extend_from_slice(format!("# HELP {name}{suffix} {text}\n").as_bytes());
            }
            out.extend_from_slice(format!("# TYPE {name}{suffix} {kind}\n").as_bytes());
        } else if !line.starts_with('#') {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
    }
}
