//! One answer to a scrape, rendered: the measures, then the exporter's own metrics.
//!
//! Where no table has changed since a rendering of the same wish, its measures are used
//! again, and only the exporter's own metrics are rendered anew.

use std::iter;
use std::sync::{Arc, RwLock, Weak};

use flate2::CompressError;
use hyper::body::Bytes;

use crate::ingest::feeds::Feeds;
use crate::pipeline::{SharedTable, read_table};
use crate::sink::exposition::pages::PAGE_BYTES;
use crate::sink::exposition::{self, own};
use crate::sink::gauge::SinkGauge;
use crate::table::pick::Pick;
use crate::table::rows::Table;
use crate::table::view::View;
use crate::telemetry::Telemetry;
use crate::web::part::{self, Blank, Part};
use crate::web::places::Place;
use crate::web::readers::Reader;
use crate::web::wish::Wish;

/// What renderings are made from.
#[derive(Debug)]
pub struct Source {
    feeds: Arc<Feeds>,
    telemetry: Arc<Telemetry>,
    sinks: Vec<SinkGauge>,
}

/// The series of all tables, as they stood.
#[derive(Debug)]
struct Measures {
    part: Part,
    /// The tables, each with its version. Weak, as a table that goes gives its places back.
    tables: Vec<(Weak<RwLock<Table>>, u64)>,
    /// Producer, rows and series of each.
    held: Vec<(String, usize, usize)>,
    /// Given back when nobody needs the pages any more.
    place: Place,
}

impl Measures {
    fn are_of(&self, tables: &[SharedTable]) -> bool {
        let is_same = |(known, version): &(Weak<RwLock<Table>>, u64), table: &SharedTable| {
            known.as_ptr() == Arc::as_ptr(table) && *version == read_table(table).version()
        };
        self.tables.len() == tables.len()
            && iter::zip(&self.tables, tables).all(|(known, table)| is_same(known, table))
    }
}

/// A whole body.
#[derive(Debug)]
pub struct Rendering {
    measures: Arc<Measures>,
    own: Part,
    head: Bytes,
    tail: Bytes,
}

impl Rendering {
    /// A page by its number; none behind the last.
    pub fn page(&self, index: usize) -> Option<&Bytes> {
        self.pages().nth(index)
    }

    fn pages(&self) -> impl Iterator<Item = &Bytes> {
        let (measures, own) = (self.measures.part.pages(), self.own.pages());
        iter::once(&self.head).chain(measures).chain(own).chain(iter::once(&self.tail))
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> u64 {
        self.pages().map(|page| page.len() as u64).sum()
    }

    /// Notes somebody who begins to read it.
    pub fn enter(&self) -> Arc<Reader> {
        self.measures.place.readers().enter(self.bytes())
    }
}

impl Source {
    /// A source of these.
    pub const fn new(feeds: Arc<Feeds>, telemetry: Arc<Telemetry>, sinks: Vec<SinkGauge>) -> Self {
        Self { feeds, telemetry, sinks }
    }

    /// The exporter's own metrics.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Renders what is there now; blocks for as long as that takes. Uses the measures of
    /// `last` where they still hold, which must be of the same wish and whole; else writes on
    /// their pages, if nobody reads them any more. New measures need a place: without one there
    /// are none.
    ///
    /// # Errors
    /// Where compressing fails, which it has no reason to.
    pub fn render(
        &self,
        wish: Wish,
        pick: &Pick,
        last: Option<Arc<Rendering>>,
        place: Option<Place>,
    ) -> Result<Option<Rendering>, CompressError> {
        let tables = self.feeds.tables();
        let measures = match last {
            Some(last) if last.measures.are_of(&tables) => Arc::clone(&last.measures),
            last => {
                let Some(place) = place else { return Ok(None) };
                Arc::new(measures(&tables, wish, pick, place, blank(last))?)
            }
        };
        for (producer_id, rows, series) in &measures.held {
            self.telemetry.set_held(producer_id, *rows, *series);
        }
        self.sinks.iter().for_each(SinkGauge::note_queue);
        let own = Part::print(wish, PAGE_BYTES, true, Blank::default(), |pages| {
            own::append(pages, self.telemetry.registry(), wish.format, pick);
        })?;
        let (head, tail) = (part::head(wish.coding), part::tail(wish.coding, [&measures.part, &own]));
        Ok(Some(Rendering { measures, own, head, tail }))
    }
}

/// The pages of measures that nobody reads any more.
fn blank(rendering: Option<Arc<Rendering>>) -> Blank {
    let measures = rendering.and_then(Arc::into_inner).map(|rendering| rendering.measures);
    measures.and_then(Arc::into_inner).map(|measures| measures.part.into_blank()).unwrap_or_default()
}

fn measures(
    tables: &[SharedTable],
    wish: Wish,
    pick: &Pick,
    place: Place,
    blank: Blank,
) -> Result<Measures, CompressError> {
    let views: Vec<View> = tables.iter().map(|table| View::of(table, pick)).collect();
    let part = Part::print(wish, PAGE_BYTES, false, blank, |pages| {
        exposition::measures(pages, &views, wish.format);
    })?;
    let version = |(table, view): (&SharedTable, &View)| (Arc::downgrade(table), view.version);
    let held = |(table, view): (&SharedTable, &View)| {
        // What is shown is all that there is, or else the table knows how much that would be.
        let series = if pick.is_everything() { view.series() } else { read_table(table).series() };
        (view.producer_id.clone(), view.rows_held, series)
    };
    let place = place.fit(part.pages().iter().map(|page| page.len() as u64).sum());
    Ok(Measures {
        part,
        tables: iter::zip(tables, &views).map(version).collect(),
        held: iter::zip(tables, &views).map(held).collect(),
        place,
    })
}
