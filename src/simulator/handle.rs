//! A hand on a running simulator, for tests in the same process: what the admin endpoints can do and see, without HTTP.
//!
//! Every call acts at once and never waits for a socket.

use std::{collections::BTreeMap, sync::Arc};

use tokio_tungstenite::tungstenite::Message;

use super::{
    fault::{Fault, FaultError},
    measures::Producer,
    operation::Operation,
    site::Site,
    subscriptions::Status,
};

/// Names and values, as strings like on the wire.
pub type Pairs = Vec<(String, String)>;

/// A subscription as [`SimulatorHandle::subscriptions`] lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState {
    /// Its id.
    pub subscription_id: String,
    /// The producer it is for.
    pub measure_producer_id: String,
    /// Its status.
    pub status: Status,
    /// Sockets that are authenticated for it.
    pub sockets: usize,
}

/// A hand on a running simulator. Cloning gives another hand on the same one.
#[derive(Debug, Clone)]
pub struct SimulatorHandle {
    pub(super) site: Arc<Site>,
}

impl SimulatorHandle {
    /// Injects a fault; gives the number of sockets, or for [`Fault::Expire`] of subscriptions, that it hit at once.
    ///
    /// # Errors
    /// If a field is out of range, or too many faults wait.
    pub fn inject(&self, fault: Fault) -> Result<usize, FaultError> {
        self.site.inject(fault)
    }

    /// Stops the model: no event is sent until [`resume`](Self::resume), but for those made by this handle.
    pub fn pause(&self) {
        self.site.hub().pause(true, self.site.now_ms());
    }

    /// Lets the model go on, as if no time had passed.
    pub fn resume(&self) {
        self.site.hub().pause(false, self.site.now_ms());
    }

    /// Logs an agent out for good, this one or any; gives the agent's id, `None` if nobody fits.
    #[must_use]
    pub fn log_out(&self, agent_id: Option<&str>) -> Option<String> {
        self.site.hub().log_out(agent_id)
    }

    /// Logs an agent in, this one or any; gives the agent's id, `None` if nobody fits.
    #[must_use]
    pub fn log_in(&self, agent_id: Option<&str>) -> Option<String> {
        self.site.hub().log_in(agent_id)
    }

    /// Begins a new interval: counts and durations are 0 again.
    pub fn reset_interval(&self) {
        self.site.hub().reset_interval();
    }

    /// The rows of a producer as they were last published: keys and measures. Empty for an unknown producer.
    #[must_use]
    pub fn rows(&self, producer_id: &str) -> Vec<(Pairs, Pairs)> {
        let Some(producer) = Producer::from_id(producer_id) else {
            return Vec::new();
        };
        let hub = self.site.hub();
        let rows = hub.centre().shown(producer).map(|row| {
            let keys = row.keys.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let names = producer.measures().iter().map(|measure| measure.name.to_owned());
            let values = row.published.iter().flatten().map(ToString::to_string);
            (keys, names.zip(values).collect())
        });
        rows.collect()
    }

    /// Sends any text to all sockets of a producer; gives how many there are.
    pub fn emit(&self, text: &str, producer_id: &str) -> usize {
        let message = Message::text(text);
        self.site.hub().send(|socket| socket.producer.id() == producer_id, &message)
    }

    /// Requests so far by operation, those with 0 included.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<Operation, u64> {
        self.site.counts()
    }

    /// The subscriptions, oldest first.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<SubscriptionState> {
        let all = self.site.subscriptions().all(tokio::time::Instant::now());
        let hub = self.site.hub();
        all.into_iter()
            .map(|one| SubscriptionState {
                sockets: hub.sockets().filter(|socket| socket.subscription == one.id).count(),
                subscription_id: one.id,
                measure_producer_id: one.wanted.producer.id().to_owned(),
                status: one.status,
            })
            .collect()
    }

    /// Sockets that are authenticated now.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.site.hub().sockets().count()
    }

    /// Faults that wait for something to fit.
    #[must_use]
    pub fn faults_waiting(&self) -> usize {
        self.site.faults().waiting().count()
    }

    /// Sockets that were closed for reading too slowly.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.site.hub().overruns()
    }
}
