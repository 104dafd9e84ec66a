//! A server that takes lines over HTTP and answers as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// Decompressed.
    pub(crate) lines: String,
    /// As it came.
    pub(crate) bytes: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// An answer without a body.
pub(crate) fn status(status: u16) -> Reply {
    Reply { status, ..Reply::default() }
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: String) -> Reply {
    Reply { status, body, ..Reply::default() }
}

type Answer = Box<dyn FnMut(&Seen) -> Reply + Send>;

struct State {
    answer: Mutex<Answer>,
    seen: Mutex<Vec<Seen>>,
    /// How often each line was in a request that was answered well.
    stored: Mutex<BTreeMap<String, u32>>,
}

/// The server.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

impl StandIn {
    /// A server on a port of the system's.
    pub(crate) async fn start(answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), answer).await
    }

    /// A server on this address.
    pub(crate) async fn start_on(
        address: SocketAddr,
        answer: impl FnMut(&Seen) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let state = Arc::new(State {
            answer: Mutex::new(Box::new(answer)),
            seen: Mutex::default(),
            stored: Mutex::default(),
        });
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, serving }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers otherwise from now on.
    pub(crate) fn answer_by(&self, answer: impl FnMut(&Seen) -> Reply + Send + 'static) {
        *self.state.answer.lock().unwrap() = Box::new(answer);
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// Lines that were stored, and how often.
    pub(crate) fn stored(&self) -> BTreeMap<String, u32> {
        self.state.stored.lock().unwrap().clone()
    }

    /// Lines that were stored, without their ends.
    pub(crate) fn lines(&self) -> BTreeSet<String> {
        self.stored().into_keys().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Stores a line beside those of requests that are answered well.
    pub(crate) fn store(&self) -> impl Fn(&str) + Send + use<> {
        let state = Arc::clone(&self.state);
        move |line| *state.stored.lock().unwrap().entry(line.to_owned()).or_default() += 1
    }

    /// Ends it, connections too.
    pub(crate) async fn stop(self) -> BTreeMap<String, u32> {
        self.serving.abort();
        let _ = self.serving.await;
        self.state.stored.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| respond(&state, request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Ok(Response::default());
    };
    let mut lines = String::new();
    if head.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        flate2::read::GzDecoder::new(&*body).read_to_string(&mut lines).unwrap();
    } else {
        lines = String::from_utf8(body.to_vec()).unwrap();
    }
    let seen = Seen {
        at: Instant::now(),
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        lines,
        bytes: body.len(),
    };
    let reply = (state.answer.lock().unwrap())(&seen);
    if (200..300).contains(&reply.status) {
        let mut stored = state.stored.lock().unwrap();
        for line in seen.lines.lines() {
            *stored.entry(format!("{line}\n")).or_default() += 1;
        }
    }
    state.seen.lock().unwrap().push(seen);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(reply.body)).unwrap())
}
