//! What each path answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode};

use crate::ingest::feeds::Feeds;
use crate::sink::exposition::{self, Format};
use crate::sink::queue::QueueGauge;
use crate::telemetry::{self, Telemetry};
use crate::web::accept::negotiate;

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What answers are made from.
#[derive(Debug)]
pub struct Site {
    metrics_path: String,
    feeds: Arc<Feeds>,
    telemetry: Arc<Telemetry>,
    queues: Vec<(telemetry::Sink, QueueGauge)>,
}

impl Site {
    /// A site that serves the feeds and the telemetry at `metrics_path`.
    pub const fn new(
        metrics_path: String,
        feeds: Arc<Feeds>,
        telemetry: Arc<Telemetry>,
        queues: Vec<(telemetry::Sink, QueueGauge)>,
    ) -> Self {
        Self { metrics_path, feeds, telemetry, queues }
    }

    /// Answers one request; HEAD is answered like GET, the server leaves the body out.
    ///
    /// # Errors
    /// None; the signature is the server's.
    pub async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        Ok(match request.uri().path() {
            path if path == self.metrics_path => {
                let accept: Vec<&str> = request
                    .headers()
                    .get_all(ACCEPT)
                    .iter()
                    .filter_map(|value| value.to_str().ok())
                    .collect();
                let format = negotiate(&accept.join(","));
                // A big exposition takes a while, and a runtime thread is not for that.
                let rendered = tokio::task::spawn_blocking(move || self.render(format)).await;
                match rendered {
                    Ok(body) => respond(StatusCode::OK, format.content_type(), body),
                    Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "rendering failed\n".to_owned()),
                }
            }
            "/-/healthy" => plain(StatusCode::OK, "healthy\n".to_owned()),
            "/-/ready" => self.ready(),
            "/" => respond(StatusCode::OK, HTML, self.landing_page().into_bytes()),
            _ => {
                plain(StatusCode::NOT_FOUND, format!("nothing here; metrics are at {}\n", self.metrics_path))
            }
        })
    }

    /// Renders `/metrics`.
    pub fn render(&self, format: Format) -> Vec<u8> {
        let started = Instant::now();
        self.telemetry.scrapes(format.label()).inc();
        let tables: Vec<_> = self.feeds.list().iter().map(|feed| Arc::clone(feed.table())).collect();
        for table in &tables {
            let table = crate::pipeline::read_table(table);
            self.telemetry.set_held(table.producer_id(), table.rows_held(), table.series());
        }
        for (metrics, gauge) in &self.queues {
            metrics.queue_bytes.set(i64::try_from(gauge.bytes()).unwrap_or(i64::MAX));
        }
        let mut body = Vec::new();
        exposition::render(&mut body, &tables, self.telemetry.registry(), format);
        self.telemetry.scrape_duration().observe(started.elapsed().as_secs_f64());
        body
    }

    fn ready(&self) -> Response<Full<Bytes>> {
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

fn plain(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    respond(status, PLAIN, body.into_bytes())
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
