//! Any recording: bytes as they are, or lines that are near to what a recording holds. Whatever comes,
//! reading it ends with its end or a word about the damage, and what is shown of it is legal.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use axp_exporter::ingest::feeds::Feeds;
use axp_exporter::pipeline::Blueprint;
use axp_exporter::recording::{Player, Reader, Replay, Speed, Stage};
use axp_exporter::sink::exposition::{self, Format};
use axp_exporter::table::rows::Limits;
use axp_exporter::telemetry::Telemetry;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::legal::{self, Syntax};

const KINDS: [&str; 17] = [
    "header",
    "producer",
    "dictionary",
    "opened",
    "closed",
    "authenticated",
    "empty",
    "lost",
    "handed_back",
    "outgoing_ended",
    "postponed",
    "event",
    "outgoing",
    "refused",
    "missing",
    "end",
    "later",
];
const PRODUCERS: [&str; 3] = ["Queue_itd_1.0.0", "Agent_itd_1.0.0", "not one"];
const HEADER: &str = r#"{"kind":"header","at":5,"unix_ns":6,"header":{"format":1,"recording":"a","part":1,"exporter":"0","account_id":"EZCLTR","privacy":{"personal":"drop","measures":[]}}}"#;

#[derive(Arbitrary, Debug)]
enum Line {
    Record { kind: u8, at: u64, unix_ns: i64, producer: u8, again: bool, event: Event, nanoseconds: u64 },
    Free(String),
}

#[derive(Arbitrary, Debug)]
struct Event {
    key: u8,
    is_live: bool,
    is_delete: bool,
    value: String,
}

#[derive(Arbitrary, Debug)]
enum Input {
    Bytes(Vec<u8>),
    Lines(Vec<Line>),
}

impl Line {
    fn text(&self) -> String {
        let Self::Record { kind, at, unix_ns, producer, again, event, nanoseconds } = self else {
            let Self::Free(text) = self else { return String::new() };
            return text.clone();
        };
        let kind = KINDS[usize::from(*kind) % KINDS.len()];
        let producer = PRODUCERS[usize::from(*producer) % PRODUCERS.len()];
        let phase = if event.is_live { "LIVE" } else { "INITIALIZING" };
        let action = if event.is_delete { "DELETE" } else { "UPSERT" };
        let value = serde_json::to_string(&event.value).unwrap();
        format!(
            r#"{{"kind":"{kind}","at":{at},"unix_ns":{unix_ns},"producer":"{producer}","again":{again},"reason":"binary","records":{nanoseconds},"nanoseconds":{nanoseconds},"dictionary":{{"a":{{"type":"NUMBER"}}}},"event":{{"keys":{{"a":"{}"}},"eventAction":"{action}","payloadType":"{phase}","measures":{{"a":{value},"agentState":{value}}}}}}}"#,
            event.key
        )
    }
}

/// Replays what the bytes make.
pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary(&mut Unstructured::new(data)) else { return };
    let bytes = match &input {
        Input::Bytes(bytes) => bytes.clone(),
        Input::Lines(lines) => {
            let mut text = HEADER.to_owned() + "\n";
            for line in lines {
                writeln!(text, "{}", line.text()).unwrap();
            }
            text.into_bytes()
        }
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let read = Arc::new(AtomicU64::new(0));
    let Ok(reader) = Reader::open(file.path(), 1 << 16, Arc::clone(&read)) else { return };
    let feeds = Arc::new(Feeds::new(Limits::new(100)));
    let blueprint = Blueprint {
        limits: feeds.limits(),
        snapshot_quiet: Duration::from_secs(10),
        stale_after: Duration::from_secs(60),
        ..Blueprint::default()
    };
    let telemetry = Arc::new(Telemetry::new(100));
    let stage =
        Stage { blueprint, producers: Vec::new(), outputs: Vec::new(), telemetry, feeds: Arc::clone(&feeds) };
    let (_stop, stopped) = watch::channel(false);
    let _ = Replay::new(Player::new(stage), vec![reader], Speed::Max, read).run(&stopped, |_| true);
    for (format, syntax) in [(Format::Text, Syntax::Text), (Format::OpenMetrics, Syntax::OpenMetrics)] {
        let mut body = Vec::new();
        exposition::render(&mut body, &feeds.tables(), &Registry::default(), format);
        let body = String::from_utf8(body).expect("UTF-8");
        legal::read(syntax, &body).unwrap_or_else(|what| panic!("{what}\nin\n{body}"));
    }
}
