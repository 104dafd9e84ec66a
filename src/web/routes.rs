//! What each path answers: a function from a request to a response, whoever carries them.

use std::sync::Arc;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode};

use crate::ingest::feeds::Feeds;
use crate::sink::exposition::{self, Format};
use crate::sink::queue::QueueGauge;
use crate::telemetry::{self, Telemetry};
use crate::web::body::Body;
use crate::web::rendering::Source;
use crate::web::scrape::Scrapes;

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What answers are made from.
#[derive(Debug)]
pub struct Site {
    metrics_path: String,
    feeds: Arc<Feeds>,
    telemetry: Arc<Telemetry>,
    scrapes: Scrapes,
}

impl Site {
    /// A site that serves the feeds and the telemetry at `metrics_path`.
    pub fn new(
        metrics_path: String,
        feeds: Arc<Feeds>,
        telemetry: Arc<Telemetry>,
        queues: Vec<(telemetry::Sink, QueueGauge)>,
    ) -> Self {
        let source = Source::new(Arc::clone(&feeds), Arc::clone(&telemetry), queues);
        Self { metrics_path, feeds, telemetry, scrapes: Scrapes::new(Arc::new(source)) }
    }

    /// Answers one request, of which it reads no body; HEAD is answered like GET, the server
    /// leaves the body out.
    pub async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let mut response = self.route(request).await;
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    async fn route<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            path if path == self.metrics_path => self.scrapes.answer(request.uri(), request.headers()).await,
            "/-/healthy" => plain(StatusCode::OK, "healthy\n".to_owned()),
            "/-/ready" => self.ready(),
            "/" => text(StatusCode::OK, HTML, self.landing_page()),
            _ => {
                plain(StatusCode::NOT_FOUND, format!("nothing here; metrics are at {}\n", self.metrics_path))
            }
        }
    }

    /// All series in one format, for who is no scraper.
    pub fn render(&self, format: Format) -> Vec<u8> {
        let tables: Vec<_> = self.feeds.list().iter().map(|feed| Arc::clone(feed.table())).collect();
        let mut body = Vec::new();
        exposition::render(&mut body, &tables, self.telemetry.registry(), format);
        body
    }

    fn ready(&self) -> Response<Body> {
        match self.feeds.waiting_for() {
            Some(waiting) if waiting.is_empty() => plain(StatusCode::OK, "ready\n".to_owned()),
            Some(waiting) => {
                let body = format!("waiting for the first snapshot of {}\n", waiting.join(", "));
                plain(StatusCode::SERVICE_UNAVAILABLE, body)
            }
            None => plain(StatusCode::SERVICE_UNAVAILABLE, "waiting for the list of producers\n".to_owned()),
        }
    }

    fn landing_page(&self) -> String {
        let path = self.metrics_path.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>axp-exporter</title>\
             <h1>axp-exporter {}</h1><p>Avaya Experience Platform realtime measures.</p>\
             <ul><li><a href=\"{path}\">metrics</a><li><a href=\"/-/healthy\">health</a>\
             <li><a href=\"/-/ready\">readiness</a></ul></html>\n",
            telemetry::VERSION,
        )
    }
}

/// An answer in words.
pub(super) fn plain(status: StatusCode, body: String) -> Response<Body> {
    text(status, PLAIN, body)
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
