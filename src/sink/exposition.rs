//! The exposition: what `/metrics` answers.
//!
//! Two formats: the
//! [text format](https://prometheus.io/docs/instrumenting/exposition_formats/) and
//! [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/). Both show
//! the same series, families by name, rows by labels, no timestamps: a series that is not
//! there is gone, and Prometheus marks it stale at once. The versions of a format differ in
//! their `Content-Type` alone ([`crate::web::accept`]): what 1.0.0 of the text format adds,
//! quoted names, never comes up, since all names are of the letters that 0.0.4 knows.
//!
//! The measures have their own encoder, which walks the columns of a [`View`] and appends text
//! prepared when a row appeared; the exporter's own metrics ([`own`]) come from
//! prometheus-client behind them. What is appended is legal by construction: names, label
//! text and help were cleaned and escaped before, and values are finite.
//!
//! It comes page by page ([`Pages`]), so that a million series need no text of a hundred
//! megabytes in one piece, and none at all where it is compressed.

pub mod dots;
pub mod own;
pub mod pages;

use std::borrow::Cow;

use prometheus_client::registry::Registry;

use crate::config::Kind;
use crate::parse::number;
use crate::pipeline::SharedTable;
use crate::sink::exposition::pages::Pages;
use crate::table::pick::Pick;
use crate::table::view::{Shown, View};

/// How series are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text.
    Text,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
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
/// Each table is locked only while its values are copied.
pub fn render(out: &mut Vec<u8>, tables: &[SharedTable], registry: &Registry, format: Format) {
    let everything = Pick::default();
    let views: Vec<View> = tables.iter().map(|table| View::of(table, &everything)).collect();
    let mut pages = Pages::whole(std::mem::take(out));
    measures(&mut pages, &views, format);
    own::append(&mut pages, registry, format, &everything);
    *out = pages.finish();
}

/// Appends the series of the tables.
pub fn measures(pages: &mut Pages<'_>, views: &[View], format: Format) {
    for family in families(views) {
        family.render(pages, format);
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
            let metric = Cow::Owned(format!("{}_info", view.info_family));
            families.push(Family { metric, view, column: None });
        }
    }
    families.sort_unstable_by(|a, b| a.metric.cmp(&b.metric));
    families
}

impl Family<'_> {
    fn render(&self, pages: &mut Pages<'_>, format: Format) {
        match self.column {
            Some(column) => self.render_column(pages, column, format),
            None => self.render_info(pages, format),
        }
    }

    fn render_info(&self, pages: &mut Pages<'_>, format: Format) {
        let help = format!("Texts of {} that are no labels of all its series", self.view.producer_id);
        let (name, kind) = match format {
            Format::Text => (&*self.metric, "gauge"),
            // The family of an info metric is named without the suffix of its sample.
            Format::OpenMetrics => (&*self.view.info_family, "info"),
        };
        write_head(&mut pages.page, name, kind, &help, format);
        for labels in self.view.infos() {
            write_sample(&mut pages.page, &self.metric, labels);
            pages.page.extend_from_slice(b"1\n");
            pages.turn();
        }
    }

    fn render_column(&self, pages: &mut Pages<'_>, column: &Shown, format: Format) {
        write_head(&mut pages.page, &self.metric, "gauge", &column.help, format);
        if column.kind == Kind::State {
            return self.render_states(pages, column);
        }
        for (labels, value) in self.view.samples(column) {
            write_sample(&mut pages.page, &self.metric, labels);
            number::write(&mut pages.page, value);
            pages.page.push(b'\n');
            pages.turn();
        }
    }

    /// One sample for each state: 1 for the current one, 0 for the others.
    fn render_states(&self, pages: &mut Pages<'_>, column: &Shown) {
        let mut states: Vec<(usize, &str)> = column.states.iter().map(|state| &**state).enumerate().collect();
        states.sort_unstable_by_key(|(_, pair)| *pair);
        for ([before, after], current) in self.view.state_samples(column) {
            let out = &mut pages.page;
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
            pages.turn();
        }
    }
}

/// `name{labels} `, the labels with what stands around them.
fn write_sample(out: &mut Vec<u8>, metric: &str, labels: &str) {
    out.extend_from_slice(metric.as_bytes());
    out.extend_from_slice(labels.as_bytes());
}

/// The metadata of a family, in the order that each format asks for.
///
/// `help` has no escapes yet. OpenMetrics escapes quotes in it, the text format does not.
fn write_head(out: &mut Vec<u8>, name: &str, kind: &str, help: &str, format: Format) {
    let line = |out: &mut Vec<u8>, word: &str, text: &str| {
        for part in ["# ", word, " ", name, " ", text, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    match format {
        Format::Text => {
            line(out, "HELP", &help);
            line(out, "TYPE", kind);
        }
        Format::OpenMetrics => {
            line(out, "TYPE", kind);
            if let Some(unit) = unit_of(name, kind) {
                line(out, "UNIT", unit);
            }
            line(out, "HELP", &help.replace('"', "\\\""));
        }
    }
}

/// The unit that the name ends in; an info family has none, whatever its name ends in.
fn unit_of(name: &str, kind: &str) -> Option<&'static str> {
    let ends_in = |unit: &&str| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    ["seconds", "bytes", "ratio"].into_iter().find(ends_in).filter(|_| kind != "info")
}
