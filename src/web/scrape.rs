//! What a scrape asks for, by its request; and what it is answered with.

use std::sync::Arc;

use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AsHeaderName, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue,
    RETRY_AFTER, VARY,
};
use hyper::{Response, StatusCode, Uri};
use tokio::sync::Semaphore;
use url::form_urlencoded;

use crate::table::pick::Pick;
use crate::telemetry::{ScrapeTimer, Telemetry};
use crate::web::accept::{Coding, Dialect};
use crate::web::body::Body;
use crate::web::places::Places;
use crate::web::rendering::Source;
use crate::web::routes::plain;
use crate::web::sharing::Sharing;
use crate::web::timeout::Timeout;
use crate::web::wish::Wish;

/// Most scrapes that wait for a rendering at once: what Prometheus' node exporter allows. Those who
/// read theirs are not among them: forty slow ones would keep everybody else out, and connections
/// and places bound them.
const SCRAPES_MAX: usize = 40;

/// Answers scrapes.
#[derive(Debug)]
pub struct Scrapes {
    sharing: Sharing,
    turns: Semaphore,
}

impl Scrapes {
    /// Renders from this source, into these places.
    pub fn new(source: Arc<Source>, places: Places) -> Self {
        Self { sharing: Sharing::new(source, places), turns: Semaphore::new(SCRAPES_MAX) }
    }

    /// The exporter's own metrics.
    pub fn telemetry(&self) -> &Telemetry {
        self.sharing.source().telemetry()
    }

    /// Answers one scrape: 200 with a whole body, 406 where no coding is acceptable, 503
    /// where too many are being rendered or the client would have given up before.
    pub async fn answer(&self, uri: &Uri, headers: &HeaderMap, timeout: Timeout) -> Response<Body> {
        let telemetry = self.telemetry();
        let dialect = Dialect::negotiate(&joined(headers, ACCEPT));
        let Some(coding) = Coding::negotiate(&joined(headers, ACCEPT_ENCODING)) else {
            return plain(StatusCode::NOT_ACCEPTABLE, "only identity and gzip\n".to_owned());
        };
        let Ok(_turn) = self.turns.try_acquire() else {
            telemetry.scrapes_refused("busy").inc();
            return busy("too many scrapes at once\n");
        };
        let timer = ScrapeTimer::start(telemetry, dialect.format().label());
        let rendering = self.sharing.render(Wish::new(dialect, coding), picked(uri), timeout);
        let rendered = tokio::time::timeout_at(timeout.end(), rendering).await;
        drop(timer);
        match rendered {
            Ok(Ok(rendering)) => respond(dialect, coding, Body::rendered(rendering)),
            Ok(Err(_)) => plain(StatusCode::INTERNAL_SERVER_ERROR, "rendering failed\n".to_owned()),
            Err(_) => {
                telemetry.scrapes_refused("timeout").inc();
                busy("not done in the time that the scraper allows\n")
            }
        }
    }
}

/// All values of a header, as one list; what is not text is passed over.
fn joined(headers: &HeaderMap, name: impl AsHeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// The families that `name[]` names, as often as it is there; all of them without it.
fn picked(uri: &Uri) -> Pick {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    Pick::new(pairs.filter(|(key, _)| key == "name[]").map(|(_, name)| name.into_owned()))
}

fn respond(dialect: Dialect, coding: Coding, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, dialect.content_type());
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if coding == Coding::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn busy(text: &str) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
