//! Everything the tasks of one simulator share: what was issued, what is subscribed, what is to go wrong, what was
//! asked how often. Each part has its own lock, held for the length of a look-up and never across another one or an
//! await.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use rand::{SeedableRng, rngs::StdRng};
use tokio::{sync::watch, time::Instant};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{
    centre::Centre,
    fault::{self, Fault, FaultError},
    faults::Faults,
    hub::{Ending, Hub, Silence, Socket},
    operation::Operation,
    options::SimulatorOptions,
    stamp,
    subscriptions::Subscriptions,
    tokens::Tokens,
};

/// What the simulator accepts. They are no secrets: everyone's simulator has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Id of the account, six letters.
    pub account_id: String,
    /// OAuth2 client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The application's key for the gateway.
    pub app_key: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            account_id: "EZCLTR".to_owned(),
            client_id: "axp-exporter-demo".to_owned(),
            client_secret: "simulated-client-secret".to_owned(),
            app_key: "simulated-app-key".to_owned(),
        }
    }
}

/// What the tasks of a simulator share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) options: SimulatorOptions,
    pub(super) credentials: Credentials,
    pub(super) address: SocketAddr,
    pub(super) shutdown: watch::Sender<bool>,
    /// The centre's seconds begin here, whatever the system's clock does later.
    started: (SystemTime, Instant),
    hub: Mutex<Hub>,
    tokens: Mutex<Tokens>,
    subscriptions: Mutex<Subscriptions>,
    faults: Mutex<Faults>,
    counts: Mutex<BTreeMap<Operation, u64>>,
    rng: Mutex<StdRng>,
}

impl Site {
    pub(super) fn new(options: SimulatorOptions, address: SocketAddr, seed: u64) -> Self {
        let started = (SystemTime::now(), Instant::now());
        let now_ms = stamp::epoch_ms(started.0);
        let credentials = Credentials::default();
        let centre = Centre::new(&options.centre, seed, now_ms);
        let hub = Hub::new(&credentials.account_id, centre, options.socket_queue_events, now_ms);
        Self {
            options,
            credentials,
            address,
            shutdown: watch::Sender::new(false),
            started,
            hub: Mutex::new(hub),
            tokens: Mutex::default(),
            subscriptions: Mutex::default(),
            faults: Mutex::default(),
            counts: Mutex::default(),
            // Ids and tokens have their own source, so that asking for them does not change the centre's story.
            rng: Mutex::new(StdRng::seed_from_u64(seed ^ 0x5eed)),
        }
    }

    /// Epoch milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        stamp::epoch_ms(self.started.0 + self.started.1.elapsed())
    }

    pub(super) fn hub(&self) -> MutexGuard<'_, Hub> {
        lock(&self.hub)
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    pub(super) fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        lock(&self.subscriptions)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(super) fn rng(&self) -> MutexGuard<'_, StdRng> {
        lock(&self.rng)
    }

    /// Counts a request.
    pub(super) fn count(&self, operation: Operation) {
        *lock(&self.counts).entry(operation).or_default() += 1;
    }

    /// Requests so far, operations never asked for included.
    pub(super) fn counts(&self) -> BTreeMap<Operation, u64> {
        let counts = lock(&self.counts);
        Operation::ALL.into_iter().map(|one| (one, counts.get(&one).copied().unwrap_or(0))).collect()
    }

    /// The endpoint of a subscription.
    pub(super) fn endpoint(&self, subscription: &str) -> String {
        format!("ws://{}{}", self.address, self.endpoint_path(subscription))
    }

    /// The path of that.
    pub(super) fn endpoint_path(&self, subscription: &str) -> String {
        format!("/ws/notification/v1/analytics/realtime/{}/{subscription}", self.credentials.account_id)
    }

    /// Acts on a fault or lets it wait; gives the number of sockets or subscriptions it hit.
    pub(super) fn inject(&self, fault: Fault) -> Result<usize, FaultError> {
        fault.check()?;
        let producer = fault.producer().map(str::to_owned);
        let of = |socket: &Socket| producer.as_deref().is_none_or(|id| id == socket.producer.id());
        Ok(match fault {
            Fault::Close { code, reason, .. } => self.hub().end(of, &Ending::Close { code, reason }),
            Fault::Reset { .. } => self.hub().end(of, &Ending::Reset),
            Fault::Silence { seconds, .. } => {
                let until = |seconds| Silence::Until(Instant::now() + Duration::from_secs_f64(seconds));
                self.hub().silence(of, seconds.map_or(Silence::ForEver, until))
            }
            Fault::Frame { text, hex, binary, .. } => {
                let payload = text.map(String::into_bytes).or_else(|| fault::bytes(&hex.unwrap_or_default()));
                let opcode = OpCode::Data(if binary { Data::Binary } else { Data::Text });
                let frame = Frame::message(payload.unwrap_or_default(), opcode, true);
                self.hub().send(of, &Message::Frame(frame))
            }
            Fault::Expire { close, .. } => {
                let chosen = |id: &str| producer.as_deref().is_none_or(|producer| id == producer);
                let hit = self.subscriptions().deactivate(|one| chosen(one.wanted.producer.id()));
                if close {
                    let reason = "subscription is not active".to_owned();
                    self.hub().end(of, &Ending::Close { code: 1000, reason });
                }
                hit
            }
            Fault::RevokeTokens {} => {
                self.tokens().revoke();
                0
            }
            Fault::Clear {} => {
                self.faults().clear();
                0
            }
            waits => {
                self.faults().add(waits)?;
                0
            }
        })
    }
}

/// Locks, also after a panic elsewhere: the data is changed in single steps and stays whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
