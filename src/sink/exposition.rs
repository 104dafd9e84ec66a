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

use std::borrow::Cow;

use prometheus_client::registry::Registry;

use crate::config::Kind;
use crate::parse::number;
use crate::pipeline::{SharedTable, read_table};
use crate::table::view::{Shown, View};

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
///
/// Each table is locked only while its values are copied; one event is in them whole or not
/// at all.
pub fn render(out: &mut Vec<u8>, tables: &[SharedTable], registry: &Registry, format: Format) {
    let views: Vec<View> = tables.iter().map(|table| read_table(table).view()).collect();
    out.reserve(views.iter().map(View::bytes).sum());
    for family in families(&views) {
        family.render(out, format);
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
struct Family<'v> {
    metric: Cow<'v, str>,
    view: &'v View,
    /// None for the info family.
    column: Option<&'v Shown>,
}

/// Every family with a series to show, by name.
fn families(views: &[View]) -> Vec<Family<'_>> {
    let mut families = Vec::new();
    for view in views {
        for column in &view.columns {
            families.push(Family { metric: Cow::Borrowed(&column.metric), view, column: Some(column) });
        }
        if view.infos().next().is_some() {
            let metric = Cow::Owned(format!("axp_{}_info", view.stem));
            families.push(Family { metric, view, column: None });
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
        let help = format!("Texts of {} that are no labels of all its series", self.view.producer_id);
        let (name, kind) = match format {
            Format::Text => (&*self.metric, "gauge"),
            // The family of an info metric is named without the suffix of its sample.
            Format::OpenMetrics => (self.metric.strip_suffix("_info").unwrap_or(&self.metric), "info"),
        };
        write_head(out, name, kind, &help, format);
        for labels in self.view.infos() {
            write_sample(out, &self.metric, labels);
            out.extend_from_slice(b"1\n");
        }
    }

    fn render_column(&self, out: &mut Vec<u8>, column: &Shown, format: Format) {
        write_head(out, &self.metric, "gauge", &column.help, format);
        if column.kind == Kind::State {
            return self.render_states(out, column);
        }
        for (labels, value) in self.view.samples(column) {
            write_sample(out, &self.metric, labels);
            number::write(out, value);
            out.push(b'\n');
        }
    }

    /// One sample for each state: 1 for the current one, 0 for the others.
    fn render_states(&self, out: &mut Vec<u8>, column: &Shown) {
        let mut states: Vec<(usize, &str)> = column.states.iter().map(|state| &**state).enumerate().collect();
        states.sort_unstable_by_key(|(_, pair)| *pair);
        for ([before, after], current) in self.view.state_samples(column) {
            for (index, pair) in &states {
                write_sample(out, &self.metric, "{");
                for part in [before, pair, after].iter().filter(|part| !part.is_empty()) {
                    if !out.ends_with(b"{") {
                        out.push(b',');
                    }
                    out.extend_from_slice(part.as_bytes());
                }
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::float_cmp,
                    reason = "a state is a small whole number"
                )]
                let is_current = *index as f64 == current;
                out.extend_from_slice(if is_current { b"} 1\n" } else { b"} 0\n" });
            }
        }
    }
}

/// `name{labels} `, the labels with what stands around them.
fn write_sample(out: &mut Vec<u8>, metric: &str, labels: &str) {
    out.extend_from_slice(metric.as_bytes());
    out.extend_from_slice(labels.as_bytes());
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
