//! What scrapers may rely on, seen without sockets: requests in, answers out.

mod connections;
mod door;
mod pages;
mod patient;
mod readers;
mod scrapes;
mod sharing;
mod status;

use std::io::Read;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, RwLock};
use std::thread;

use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use hyper::{HeaderMap, Request, Response};

use crate::config::Kind;
use crate::ingest::feeds::{FeedState, Feeds};
use crate::pipeline::SharedTable;
use crate::table::column::ColumnSpec;
use crate::table::rows::{Limits, Table};
use crate::telemetry::Telemetry;
use crate::web::body::Body;
use crate::web::places::Places;
use crate::web::rendering::Source;
use crate::web::routes::Site;
use crate::web::scrape::Scrapes;
use crate::web::status::Status;
use crate::web::timeout::Timeout;

/// A site with one table of queues, in the hands of a test.
struct Bench {
    site: Arc<Site>,
    table: SharedTable,
    telemetry: Arc<Telemetry>,
}

impl Bench {
    /// A table with this many queues, each with a duration, a state and a text.
    fn new(queues: usize) -> Self {
        Self::with_places(queues, Places::default())
    }

    /// The same, whose renderings lie in these places.
    fn with_places(queues: usize, places: Places) -> Self {
        let telemetry = Arc::new(Telemetry::new(1 << 20));
        let _ = telemetry.pipeline("Queue_itd_1.0.0");
        let mut table = Table::new("Queue_itd_1.0.0", "queue_itd", Limits::new(1 << 20));
        for (field, kind) in
            [("wait_seconds", Kind::Duration), ("state", Kind::State), ("queue_name", Kind::Text)]
        {
            let metric = format!("axp_queue_itd_{field}");
            let (field, help) = (field.to_owned(), r#"Said to be "new" \ hot"#.to_owned());
            table.add_column(ColumnSpec { metric, field, help, kind, promoted: false, states: Vec::new() });
        }
        for queue in 0..queues {
            let id = table.insert(&format!("{queue:09}")).unwrap();
            let label = format!("{queue:09}\"\\\n");
            table.place(id, Ok([("queue_id", label.as_str())].into_iter().collect())).unwrap();
            table.set_cell(id, 0, 1.5).unwrap();
            table.set_state(id, 1, if queue % 2 == 0 { "OPEN" } else { "CLOSED" }).unwrap();
            table.set_text(id, 2, "Sales \"EMEA\"").unwrap();
            table.rebuild_info(id);
        }
        let table: SharedTable = Arc::new(RwLock::new(table));
        let feeds = Arc::new(Feeds::new(Limits::new(1 << 20)));
        feeds.add(Arc::new(FeedState::new("Queue_itd_1.0.0".to_owned(), Arc::clone(&table)).0));
        feeds.note_complete();
        let status = Status::new(Arc::clone(&feeds), Arc::clone(&telemetry), Vec::new());
        let source = Source::new(Arc::clone(&feeds), Arc::clone(&telemetry), Vec::new());
        let scrapes = Scrapes::new(Arc::new(source), places);
        let site = Site::new("/metrics".to_owned(), feeds, scrapes, status, None);
        Self { site: Arc::new(site), table, telemetry }
    }

    /// Sets the first queue's duration, as an event does.
    fn set_wait(&self, seconds: f64) {
        let mut table = self.table.write().unwrap();
        table.touch();
        table.set_cell(0, 0, seconds).unwrap();
    }

    /// Keeps renderings from beginning until it is dropped.
    fn hold(&self) -> Hold {
        let (release, released) = channel::<()>();
        let (locked, is_locked) = channel();
        let table = Arc::clone(&self.table);
        thread::spawn(move || {
            let _table = table.write().unwrap();
            locked.send(()).unwrap();
            released.recv().unwrap_err()
        });
        is_locked.recv().unwrap();
        Hold(release)
    }

    async fn get(&self, uri: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::to(&self.site, &request.body(()).unwrap()).await
    }

    /// The value of a sample in the exporter's own metrics.
    fn own(&self, sample: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, self.telemetry.registry()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{sample} ")));
        line.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
    }
}

/// A lock on the table, in another thread.
struct Hold(#[expect(dead_code, reason = "its end is what counts")] Sender<()>);

/// An answer with its body, inflated where it was coded.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// What a site answers to a request that comes now.
    async fn to(site: &Site, request: &Request<()>) -> Self {
        Self::of(site.answer(request, Timeout::of(request.headers())).await).await
    }

    async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let length = hyper::body::Body::size_hint(&body).exact().unwrap();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len() as u64, length, "as long as was said");
        assert!(!head.headers.contains_key(CONTENT_LENGTH), "the server says it");
        let mut text = Vec::new();
        match head.headers.get(CONTENT_ENCODING) {
            Some(coding) => {
                assert_eq!(coding, "gzip");
                GzDecoder::new(&*bytes).read_to_end(&mut text).unwrap();
            }
            None => text.extend(bytes),
        }
        Self { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8(text).unwrap() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The first queue's duration.
    fn wait(&self) -> f64 {
        let line = self.body.lines().find(|line| line.starts_with("axp_queue_itd_wait_seconds{")).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}
