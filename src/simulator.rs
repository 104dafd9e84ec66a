//! A look-alike of the Avaya Experience Platform, over real sockets: token endpoint, Notification API, Producer
//! Management API and realtime websocket on one loopback port, a contact centre that moves behind them, and faults on
//! request.
//!
//! `axp-exporter demo` and `simulate`, the tests and the benchmarks use it. Where AXP's behaviour is not documented it
//! does what was seen of real servers, or either by chance. It is not AXP: there is no TLS, one account, one fixed set of
//! credentials, and the measures are those of [`measures`] only.
//!
//! Reading order: [`options`]; the centre, without I/O: `channel`, `measures`, `book`, `agenda`, `agent`, `queue`,
//! `contact`, `floor` with `handling` and `shift`, `row`, `centre`; what is shared: `event`, `hub`, `tokens`,
//! `subscriptions`, [`fault`], `faults`, `site`; the interfaces: `route`, `api`, `token_endpoint`, `notification`, `producers`, `admin`,
//! `snapshot`, `feed`, `server`; and [`handle`] for tests.
//!
//! Everything is bounded: connections, bodies, subscriptions, tokens, faults, and the events a socket may lag behind. A
//! slow client is closed and slows nobody else down.

use std::{fmt, future::Future, io, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;

mod admin;
mod agenda;
mod agent;
mod api;
mod book;
mod centre;
mod channel;
mod contact;
mod event;
pub mod fault;
mod faults;
mod feed;
mod floor;
pub mod handle;
mod handling;
mod hub;
pub mod measures;
mod names;
mod notification;
pub mod operation;
pub mod options;
mod pace;
mod producers;
mod queue;
mod reply;
mod route;
mod row;
mod server;
mod shift;
mod site;
mod snapshot;
mod stamp;
mod subscriptions;
#[cfg(test)]
mod tests;
mod token_endpoint;
mod tokens;
mod valve;

pub use self::{
    fault::{At, Fault, FaultError},
    handle::{Pairs, SimulatorHandle, SubscriptionState},
    operation::Operation,
    options::{CentreArgs, CentreOptions, OutOfRange, SimulateArgs, SimulatorOptions, Spelling},
    site::Credentials,
    subscriptions::Status,
};

use self::site::Site;

/// A simulator that listens and does not serve yet.
#[derive(Debug)]
pub struct Simulator {
    site: Arc<Site>,
    listener: TcpListener,
    seed: u64,
}

/// Why there is no simulator.
#[derive(Debug)]
pub enum Error {
    /// An option is out of range.
    Options(OutOfRange),
    /// The address cannot be bound.
    Bind {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(_) => formatter.write_str("start the simulator with these options"),
            Self::Bind { listen, .. } => write!(formatter, "listen on {listen}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Options(source) => Some(source),
            Self::Bind { source, .. } => Some(source),
        }
    }
}

impl Simulator {
    /// Listens, and sets the contact centre up as it is in the middle of a day. Needs a tokio runtime.
    ///
    /// # Errors
    /// If an option is out of range or the address cannot be bound.
    pub async fn bind(options: SimulatorOptions) -> Result<Self, Error> {
        options.check().map_err(Error::Options)?;
        let bind_error = |source| Error::Bind { listen: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let seed = options.seed.unwrap_or_else(rand::random);
        Ok(Self { site: Arc::new(Site::new(options, address, seed)), listener, seed })
    }

    /// Serves until `shutdown` resolves; then every socket is closed and every task has ended.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        server::run(self.site, self.listener, shutdown).await;
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.site.address
    }

    /// The base of its HTTP interfaces, such as `http://127.0.0.1:9956`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.site.address)
    }

    /// What it accepts.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.site.credentials.clone()
    }

    /// The seed of everything random in it, drawn or given.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A hand on it, to be taken before it runs.
    #[must_use]
    pub fn handle(&self) -> SimulatorHandle {
        SimulatorHandle { site: Arc::clone(&self.site) }
    }
}
