//! What each path answers: a function from a request to a response, whoever carries them.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use crate::ingest::feeds::Feeds;
use crate::reload::Reloader;
use crate::sink::exposition::{self, Format};
use crate::telemetry::Telemetry;
use crate::web::body::Body;
use crate::web::scrape::Scrapes;
use crate::web::status::document::Documents;
use crate::web::status::{Page, Status};
use crate::web::timeout::Timeout;

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// What answers are made from.
#[derive(Debug)]
pub struct Site {
    metrics_path: String,
    feeds: Arc<Feeds>,
    scrapes: Scrapes,
    status: Arc<Status>,
    reloader: Option<Reloader>,
}

impl Site {
    /// A site that answers scrapes of the feeds at `metrics_path`, shows the status, and lets who
    /// asks reload the configuration where there is a `reloader`.
    pub fn new(
        metrics_path: String,
        feeds: Arc<Feeds>,
        scrapes: Scrapes,
        status: Status,
        reloader: Option<Reloader>,
    ) -> Self {
        Self { metrics_path, feeds, scrapes, status: Arc::new(status), reloader }
    }

    /// The exporter's own metrics.
    pub fn telemetry(&self) -> &Telemetry {
        self.scrapes.telemetry()
    }

    /// Answers one request in its time, and reads no body of it; HEAD is answered like GET, the
    /// server leaves the body out.
    pub async fn answer<B>(&self, request: &Request<B>, timeout: Timeout) -> Response<Body> {
        let mut response = self.route(request, timeout).await;
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    async fn route<B>(&self, request: &Request<B>, timeout: Timeout) -> Response<Body> {
        if request.uri().path() == "/-/reload" {
            return self.reload(request.method()).await;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return wrong_method("GET, HEAD");
        }
        match request.uri().path() {
            path if path == self.metrics_path => {
                self.scrapes.answer(request.uri(), request.headers(), timeout).await
            }
            "/-/healthy" => plain(StatusCode::OK, "healthy\n".to_owned()),
            "/-/ready" => self.ready(),
            "/" => self.show(|documents| self.page(documents)).await,
            "/api/v1/status" => self.show(|documents| json(&documents.status_json)).await,
            "/api/v1/measures" => self.show(|documents| json(&documents.measures_json)).await,
            _ => {
                plain(StatusCode::NOT_FOUND, format!("nothing here; metrics are at {}\n", self.metrics_path))
            }
        }
    }

    /// All series in one format, for who is no scraper.
    pub fn render(&self, format: Format) -> Vec<u8> {
        let mut body = Vec::new();
        exposition::render(&mut body, &self.feeds.tables(), self.telemetry().registry(), format);
        body
    }

    /// Reloads the configuration, as Prometheus' own management interface does.
    async fn reload(&self, method: &Method) -> Response<Body> {
        let Some(reloader) = &self.reloader else {
            return plain(StatusCode::FORBIDDEN, "web.lifecycle is false; SIGHUP reloads, too\n".to_owned());
        };
        if method != Method::POST {
            return wrong_method("POST");
        }
        match reloader.reload().await {
            Ok(done) => plain(StatusCode::OK, format!("{done}\n")),
            Err(err) => {
                let body = format!("not reloaded, and nothing is changed: {err}\n");
                plain(StatusCode::INTERNAL_SERVER_ERROR, body)
            }
        }
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

    /// Shows the status in one of its forms, as of now.
    async fn show(&self, form: impl FnOnce(&Documents) -> Response<Body>) -> Response<Body> {
        let Some(documents) = self.status.documents().await else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "making the status failed\n".to_owned());
        };
        let mut response = form(&documents);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn page(&self, documents: &Documents) -> Response<Body> {
        let Page { html, policy } = Page::new(&documents.status, &self.metrics_path);
        let mut response = text(StatusCode::OK, HTML, html);
        let headers = response.headers_mut();
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

fn wrong_method(allowed: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed}\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// An answer in words.
pub(super) fn plain(status: StatusCode, body: String) -> Response<Body> {
    text(status, PLAIN, body)
}

fn json(document: &Bytes) -> Response<Body> {
    text(StatusCode::OK, JSON, document.clone())
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
