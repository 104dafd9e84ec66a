//! Page by page, escaped and compressed, a scrape says what the plain renderer says.

use std::collections::BTreeMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use proptest::prelude::*;

use super::*;
use crate::label::labels::Labels;
use crate::sink::exposition::dots::Dots;
use crate::sink::exposition::{self, own};
use crate::table::pick::Pick;
use crate::table::view::View;
use crate::web::accept::{Coding, Dialect, Escaping};
use crate::web::part::{self, Blank, Part};
use crate::web::wish::Wish;

const DIALECTS: [Dialect; 4] = [
    Dialect::Text0,
    Dialect::Text1(Escaping::Dots),
    Dialect::OpenMetrics0,
    Dialect::OpenMetrics1(Escaping::Dots),
];

/// A row: its labels, a duration, a state and a text.
type Row = (BTreeMap<String, String>, Option<f64>, Option<u8>, Option<String>);

prop_compose! {
    fn row()(
        labels in prop::collection::btree_map("[a-c_]{1,3}", "\\PC{0,9}|[\"\\\\\n,={}# ]{0,5}", 0..4),
        wait in prop::option::of(-1e9..1e9),
        state in prop::option::of(0u8..5),
        text in prop::option::of("[a-z\"\\\\]{1,9}"),
    ) -> Row {
        (labels, wait, state, text)
    }
}

/// Families whose samples add to their names.
fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register("axp_exporter_scrapes", "So many", Counter::<u64>::default());
    let took = Histogram::new([0.5, 1.0]);
    took.observe(0.7);
    registry.register("axp_exporter_scrape_seconds", "So long", took);
    registry
}

fn table(rows: &[Row]) -> SharedTable {
    let bench = Bench::new(0);
    let mut table = bench.table.write().unwrap();
    for (index, (labels, wait, state, text)) in rows.iter().enumerate() {
        let number = index.to_string();
        let id = table.insert(&number).unwrap();
        let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels: Labels = labels.chain([("number", number.as_str())]).collect();
        table.place(id, Ok(labels)).unwrap();
        if let Some(wait) = wait {
            table.set_cell(id, 0, *wait).unwrap();
        }
        if let Some(state) = state {
            table.set_state(id, 1, &format!("S{state}\"")).unwrap();
        }
        if let Some(text) = text {
            table.set_text(id, 2, text).unwrap();
            table.rebuild_info(id);
        }
    }
    drop(table);
    bench.table
}

/// The body of a wish, on pages of this length, as its client has it when it is inflated.
fn printed(
    wish: Wish,
    page_bytes: usize,
    views: &[View],
    registry: &Registry,
    blank: Blank,
) -> (Vec<u8>, Part) {
    let measures = Part::print(wish, page_bytes, false, blank, |pages| {
        exposition::measures(pages, views, wish.format);
    });
    let own = Part::print(wish, page_bytes, true, Blank::default(), |pages| {
        own::append(pages, registry, wish.format, &Pick::default());
    });
    let (measures, own) = (measures.unwrap(), own.unwrap());
    let pages = measures.pages().iter().chain(own.pages()).flatten().copied();
    let tail = part::tail(wish.coding, [&measures, &own]);
    let body: Vec<u8> = part::head(wish.coding).into_iter().chain(pages).chain(tail).collect();
    if wish.coding == Coding::Identity {
        return (body, measures);
    }
    let mut text = Vec::new();
    GzDecoder::new(&*body).read_to_end(&mut text).unwrap();
    (text, measures)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_long_the_pages_every_wish_is_the_plain_rendering_coded(
        rows in prop::collection::vec(row(), 0..12),
        page_bytes in prop_oneof![1usize..40, 40usize..4000],
    ) {
        let (table, registry) = (table(&rows), registry());
        let views = [View::of(&table, &Pick::default())];
        for dialect in DIALECTS {
            let mut plain = Vec::new();
            exposition::render(&mut plain, &[Arc::clone(&table)], &registry, dialect.format());
            if dialect.escapes_dots() {
                plain = Dots::new(dialect.format()).escape(&plain);
            }
            for coding in [Coding::Identity, Coding::Gzip] {
                let wish = Wish::new(dialect, coding);
                let (first, part) = printed(wish, page_bytes, &views, &registry, Blank::default());
                prop_assert!(first == plain, "{wish:?}");
                // Longer pages, and shorter ones, on what is left of these.
                for other in [page_bytes * 2, page_bytes.div_ceil(2)] {
                    let blank = printed(wish, page_bytes, &views, &registry, Blank::default()).1.into_blank();
                    let (again, _) = printed(wish, other, &views, &registry, blank);
                    prop_assert!(again == plain, "{wish:?}, {other}");
                }
                if coding == Coding::Identity && !plain.is_empty() {
                    prop_assert!(part.pages().iter().all(|page| page.ends_with(b"\n")), "no page ends in mid-line");
                }
            }
        }
    }
}
