//! A queue of the model: which channels it serves, who waits in it and who is idle for it. What waits is bounded by the
//! patience of contacts, the idle by the number of agents.

use std::collections::BTreeSet;

use rand::{RngExt, rngs::StdRng};

use super::{
    book::Book,
    channel::{CHANNELS, Channel},
    names,
};

/// One queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) channels: Vec<Channel>,
    pub(super) books: [Book; CHANNELS],
    /// Its share of the traffic, relative to the others.
    pub(super) weight: f64,
    /// Waiting contacts of each channel, by time of arrival.
    pub(super) waiting: [BTreeSet<(u64, u64)>; CHANNELS],
    /// Idle agents for each channel, longest idle first.
    pub(super) idle: [BTreeSet<(u64, usize)>; CHANNELS],
}

impl Queue {
    /// A queue with nobody in it.
    pub(super) fn new(number: usize, rng: &mut StdRng) -> Self {
        let mut channels = Channel::ALL.to_vec();
        channels.retain(|channel| *channel == Channel::Voice || rng.random_bool(0.75));
        Self {
            id: names::uuid(rng),
            name: names::queue(number),
            channels,
            books: [Book::default(); CHANNELS],
            weight: rng.random_range(0.4..1.6),
            waiting: Default::default(),
            idle: Default::default(),
        }
    }

    /// How much traffic its channels bring.
    pub(super) fn channel_weight(&self) -> f64 {
        self.channels.iter().map(|channel| channel.weight()).sum()
    }
}
