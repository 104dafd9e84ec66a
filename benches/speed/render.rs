//! A million series into a warm buffer, beside prometheus-client and a bare copy.

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axp_exporter::pipeline::SharedTable;
use axp_exporter::sink::exposition::pages::{PAGE_BYTES, Pages};
use axp_exporter::sink::exposition::{self, Format};
use axp_exporter::table::pick::Pick;
use axp_exporter::table::view::View;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::frames;
use crate::report::{Report, Target, fastest, milliseconds, time, versus};
use crate::rig::Rig;

/// With 25 measures a million series.
pub(crate) const ROWS: usize = 40_000;
const ROUNDS: usize = 15;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RowLabels {
    account_id: String,
    queue_id: String,
}

/// The same series in prometheus-client.
pub(crate) fn prometheus_client() -> Registry {
    let mut registry = Registry::default();
    for name in frames::WIDE {
        let family = Family::<RowLabels, Gauge<f64, AtomicU64>>::default();
        for row in 0..ROWS {
            let queue_id = format!("9f44ed4e-24ee-4e50-98af-{row:012x}");
            let labels = RowLabels { account_id: "EZCLTR".to_owned(), queue_id };
            family.get_or_create(&labels).set((row % 4_000) as f64);
        }
        let name = format!("axp_queue_itd_{}", axp_exporter::parse::name::snake_case(name));
        registry.register(name, format!("AXP measure of {}, as published", frames::QUEUES), family);
    }
    registry
}

/// A table with a million series, and the rows known in no order of their labels.
pub(crate) fn million() -> Rig {
    let mut rig = Rig::new(frames::QUEUES);
    rig.apply(&frames::shuffled(&frames::queues(ROWS, "LIVE")));
    assert_eq!(axp_exporter::pipeline::read_table(&rig.table).series(), ROWS * frames::WIDE.len());
    rig
}

/// The shortest time that prometheus-client takes for a million gauges, into a warm buffer.
pub(crate) fn prometheus_client_time(registry: &Registry) -> Duration {
    let mut text = String::new();
    let encode = || {
        text.clear();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        black_box(&text);
    };
    fastest(encode)
}

pub(crate) fn measure(report: &mut Report) {
    let theirs = prometheus_client_time(&prometheus_client());
    let rig = million();
    let tables = [rig.table];
    let mut body = Vec::new();
    render(&mut body, &tables);
    let finished = body.clone();
    let mut warm = finished.clone();
    let copy = || {
        warm.clear();
        warm.extend_from_slice(black_box(&finished));
        black_box(&warm);
    };
    let render_warm = || render(&mut body, &tables);
    let (copied, rendered) = versus(ROUNDS, copy, render_warm);
    let size = format!("{} of {:.0} MB", milliseconds(rendered), finished.len() as f64 / 1e6);
    report.add(
        "render 1 M series",
        size.clone(),
        format!("prometheus-client {}", milliseconds(theirs)),
        theirs.as_secs_f64() / rendered.as_secs_f64(),
        Target::AtLeast(20.0),
    );
    report.add(
        "the same",
        size,
        format!("copying the body {}", milliseconds(copied)),
        rendered.as_secs_f64() / copied.as_secs_f64(),
        Target::AtMost(6.0),
    );
    let mut size = 0;
    let by_page = fastest(|| size = render_by_page(&tables));
    report.add(
        "render 1 M series page by page",
        format!("{} of {:.0} MB", milliseconds(by_page), size as f64 / 1e6),
        format!("prometheus-client {}", milliseconds(theirs)),
        theirs.as_secs_f64() / by_page.as_secs_f64(),
        Target::AtLeast(20.0),
    );
    let first = time(|| render(&mut Vec::new(), &tables));
    println!("into a new buffer: {}", milliseconds(first));
}

/// Renders the tables as a compressed scrape does, which is through with a page before the next
/// one is written; bytes of all pages.
fn render_by_page(tables: &[SharedTable]) -> usize {
    let views: Vec<View> = tables.iter().map(|table| View::of(table, &Pick::default())).collect();
    let mut bytes = 0;
    let mut take = |page: &mut Vec<u8>| {
        bytes += black_box(&*page).len();
        page.clear();
    };
    let mut pages = Pages::new(PAGE_BYTES, &mut take);
    exposition::measures(&mut pages, &views, Format::Text);
    drop(pages.finish());
    bytes
}

/// Renders the tables into a buffer that may be warm.
pub(crate) fn render(body: &mut Vec<u8>, tables: &[SharedTable]) {
    body.clear();
    exposition::render(body, tables, &Registry::default(), Format::Text);
    black_box(body);
}
