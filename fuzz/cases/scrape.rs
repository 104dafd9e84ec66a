//! Any events, in any order, of two producers whose names are near each other: whatever
//! comes, `/metrics` stays legal in every format, and shows the same series in each. So it does
//! as scrapers get it: page by page, with any length of pages, escaped and compressed. And each line
//! that is written reads back.

use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use axp_exporter::config::{OnDelete, Producer};
use axp_exporter::parse::names::Names;
use axp_exporter::pipeline::{Blueprint, LineOutput, Moment, Pipeline, SharedTable};
use axp_exporter::sink::exposition::dots::Dots;
use axp_exporter::sink::exposition::{self, Format, own};
use axp_exporter::sink::queue;
use axp_exporter::table::pick::Pick;
use axp_exporter::table::rows::Limits;
use axp_exporter::table::view::View;
use axp_exporter::telemetry::Telemetry;
use axp_exporter::web::accept::Coding;
use axp_exporter::web::part::{self, Blank, Part};
use axp_exporter::web::wish::Wish;
use flate2::read::GzDecoder;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::legal::{self, Series, Syntax};
use super::lines;

/// Names that mean something, or fall on what others mean. The corpus names them by their place: a list of
/// its own, however near that of the pipeline's property tests comes to it.
const NAMES: [&str; 21] = [
    "agentState",
    "activeDuration",
    "timeInState",
    "agentFirstName",
    "queueName",
    "info",
    "state",
    "itd",
    "itdInfo",
    "Answered",
    "answered",
    "answeredTotal",
    "waitSeconds",
    "wait",
    "le",
    "__name__",
    "account_id",
    "queueId",
    "9to5",
    "a.b",
    "-name-",
];
/// Values that have gone wrong somewhere before.
const VALUES: [&str; 16] = [
    "1",
    "-0",
    "1e308",
    "1e400",
    "0.1",
    "9007199254740993",
    "N/A",
    "",
    "true",
    "READY",
    "NaN",
    "1643645393849",
    "a\nb",
    "\"} 1\nx 1",
    "\\",
    "\u{202e}\u{85}",
];
const PRODUCERS: [&str; 2] = ["Queue_itd_1.0.0", "Queue_1.0.0"];

#[derive(Arbitrary, Debug)]
enum Text {
    Known(u8),
    Free(String),
}

impl Text {
    fn of<'t>(&'t self, known: &[&'t str]) -> &'t str {
        match self {
            Self::Known(index) => known[usize::from(*index) % known.len()],
            Self::Free(text) => text,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Value {
    Text(Text),
    Number(f64),
    Boolean(bool),
    Null,
    Nested,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Event { is_live: bool, is_delete: bool, keys: Vec<(Text, Text)>, measures: Vec<(Text, Value)> },
    Frame(String),
    Reconnect,
    Lost,
    Pass(u16),
}

#[derive(Arbitrary, Debug)]
struct Input {
    /// How long pages get.
    page_bytes: u16,
    /// Which producer each step is of.
    steps: Vec<(bool, Step)>,
}

/// Carries out the steps that the bytes mean.
pub(crate) fn run(data: &[u8]) {
    let Ok(Input { page_bytes, steps }) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let (sender, receiver) = queue::lines(1, Counter::default());
    let output = LineOutput { sender, on_delete: OnDelete::Marker };
    let telemetry = Telemetry::new(0);
    let (names, limits) = (Arc::default(), Limits::new(60));
    let mut now = Instant::now();
    let mut producers = PRODUCERS.map(|id| producer(id, &telemetry, &names, &limits, &output));
    for (is_second, step) in &steps {
        let (pipeline, _) = &mut producers[usize::from(*is_second)];
        match step {
            Step::Event { is_live, is_delete, keys, measures } => {
                let frame = event(*is_live, *is_delete, keys, measures);
                let _ = pipeline.apply(&frame, Moment { instant: now, unix_ns: 0 });
            }
            Step::Frame(frame) => {
                let _ = pipeline.apply(frame, Moment { instant: now, unix_ns: 0 });
            }
            Step::Reconnect => pipeline.session_opened(Moment { instant: now, unix_ns: 0 }),
            Step::Lost => pipeline.session_lost(Moment { instant: now, unix_ns: 0 }),
            Step::Pass(seconds) => {
                now += Duration::from_secs(u64::from(*seconds));
                pipeline.tick(now);
            }
        }
    }
    let tables = producers.map(|(_, table)| table);
    let shown: usize = tables.iter().map(|table| table.read().unwrap().series()).sum();
    check(&tables, shown, usize::from(page_bytes));
    lines::check(&receiver);
}

fn producer(
    id: &str,
    telemetry: &Telemetry,
    names: &Arc<Names>,
    limits: &Limits,
    output: &LineOutput,
) -> (Pipeline, SharedTable) {
    let settings = Producer { id: id.to_owned(), labels: vec!["queueName".into()], ..Producer::default() };
    let blueprint = Blueprint {
        names: Arc::clone(names),
        limits: limits.clone(),
        label_value_bytes: 32,
        ..Blueprint::default()
    };
    let (mut pipeline, table) = blueprint.pipeline(settings, vec![output.clone()], telemetry.pipeline(id));
    pipeline.session_opened(Moment { instant: Instant::now(), unix_ns: 0 });
    (pipeline, table)
}

fn event(is_live: bool, is_delete: bool, keys: &[(Text, Text)], measures: &[(Text, Value)]) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut frame = String::from(r#"{"keys":{"#);
    for (index, (name, value)) in keys.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(frame, "{comma}{}:{}", quoted(name.of(&NAMES)), quoted(value.of(&VALUES))).unwrap();
    }
    let (phase, action) =
        (if is_live { "LIVE" } else { "INITIALIZING" }, if is_delete { "DELETE" } else { "UPSERT" });
    write!(frame, r#"}},"payloadType":"{phase}","eventAction":"{action}","measures":{{"#).unwrap();
    for (index, (name, value)) in measures.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let value = match value {
            Value::Text(text) => quoted(text.of(&VALUES)),
            // Not finite: a bare word, which is no JSON.
            Value::Number(number) => number.to_string(),
            Value::Boolean(is_true) => is_true.to_string(),
            Value::Null => "null".to_owned(),
            Value::Nested => "[{}]".to_owned(),
        };
        write!(frame, "{comma}{}:{value}", quoted(name.of(&NAMES))).unwrap();
    }
    frame + "}}"
}

fn check(tables: &[SharedTable], shown: usize, page_bytes: usize) {
    let views: Vec<View> = tables.iter().map(|table| View::of(table, &Pick::default())).collect();
    let mut first: Option<Series> = None;
    for (format, syntax) in [(Format::Text, Syntax::Text), (Format::OpenMetrics, Syntax::OpenMetrics)] {
        let mut body = Vec::new();
        exposition::render(&mut body, tables, &Registry::default(), format);
        let escaped = Dots::new(format).escape(&body);
        for (escapes_dots, plain) in [(false, &body), (true, &escaped)] {
            for coding in [Coding::Identity, Coding::Gzip] {
                let paged = paged(Wish { format, escapes_dots, coding }, page_bytes, &views);
                assert!(paged == *plain, "page by page it is the same");
            }
        }
        let series = read(syntax, body);
        assert_eq!(series.len(), shown, "what is counted is what is shown");
        assert_eq!(read(syntax, escaped).len(), shown, "escaping merges nothing");
        for (_, labels) in series.keys() {
            assert!(
                labels.is_sorted_by(|a, b| a.0 < b.0)
                    && labels.iter().all(|(name, _)| !name.starts_with("__"))
            );
        }
        assert!(*first.get_or_insert_with(|| series.clone()) == series, "the same in every format");
    }
}

/// A body as a scraper has it in the end.
fn paged(wish: Wish, page_bytes: usize, views: &[View]) -> Vec<u8> {
    let measures = Part::print(wish, page_bytes, false, Blank::default(), |pages| {
        exposition::measures(pages, views, wish.format);
    });
    let own = Part::print(wish, page_bytes, true, Blank::default(), |pages| {
        own::append(pages, &Registry::default(), wish.format, &Pick::default());
    });
    let (measures, own) = (measures.unwrap(), own.unwrap());
    let pages = measures.pages().iter().chain(own.pages()).flatten().copied();
    let tail = part::tail(wish.coding, [&measures, &own]);
    let body: Vec<u8> = part::head(wish.coding).into_iter().chain(pages).chain(tail).collect();
    match wish.coding {
        Coding::Identity => body,
        Coding::Gzip => {
            let (mut inflated, mut decoder) = (Vec::new(), GzDecoder::new(&*body));
            decoder.read_to_end(&mut inflated).expect("one member, whole");
            assert!(decoder.into_inner().is_empty(), "and nothing behind it");
            inflated
        }
    }
}

fn read(syntax: Syntax, body: Vec<u8>) -> Series {
    let body = String::from_utf8(body).expect("UTF-8");
    legal::read(syntax, &body).unwrap_or_else(|what| panic!("{what}\nin\n{body}"))
}
