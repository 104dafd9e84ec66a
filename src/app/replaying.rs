//! Replaying: recordings in the place of feeds.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, spawn_blocking};

use super::Error;
use super::open::{privacy, rules};
use crate::config::{Config, Loaded};
use crate::ingest::feeds::Feeds;
use crate::pipeline::{Blueprint, LineOutput};
use crate::recording::{self, End, Header, Player, Progress, Reader, Replay, Speed, Stage};
use crate::telemetry::Telemetry;

/// Hears how far a replay is, some times a second; false stops it.
pub type Tell = Box<dyn FnMut(&Progress) -> bool + Send>;

/// What came of a replay; an error of the first kind is a fault of ours.
pub type Outcome = Result<Result<End, recording::Error>, JoinError>;

/// Recordings that are to be replayed, one after the other.
#[derive(Debug)]
pub struct Recordings {
    readers: Vec<Reader>,
    header: Header,
    speed: Speed,
    bytes_read: Arc<AtomicU64>,
}

impl Recordings {
    /// Opens the recordings at these paths, to be replayed in the order in which they were made.
    ///
    /// # Errors
    /// The first that cannot be used, or not with the others.
    pub fn open(paths: &[PathBuf], config: &Config, speed: Speed) -> Result<Self, recording::Error> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let frame_bytes_max = usize::try_from(config.limits.frame_bytes.get()).unwrap_or(usize::MAX);
        let open = |path: &PathBuf| Reader::open(path, frame_bytes_max, Arc::clone(&bytes_read));
        let readers = recording::in_order(paths.iter().map(open).collect::<Result<Vec<_>, _>>()?)?;
        let header = readers.first().map(|reader| reader.header().clone()).unwrap_or_default();
        Ok(Self { readers, header, speed, bytes_read })
    }

    /// A player for them by this configuration, whose pipelines write to `outputs`. Personal data is
    /// treated by the configuration where it was not when it was recorded.
    ///
    /// # Errors
    /// What of the configuration cannot be used.
    pub fn player(
        &self,
        loaded: &Loaded,
        outputs: Vec<LineOutput>,
        (telemetry, feeds): (Arc<Telemetry>, Arc<Feeds>),
    ) -> Result<Player, Error> {
        let config = &loaded.config;
        let privacy = privacy(config, &loaded.secrets.hash_key)?.after(self.header.privacy.clone());
        let blueprint = Blueprint::new(config, privacy, rules(config)?, feeds.limits());
        let account_id = self.header.account_id.clone();
        Ok(Player::new(Stage {
            blueprint: Blueprint { account_id, ..blueprint },
            producers: config.producer.clone(),
            outputs,
            telemetry,
            feeds,
        }))
    }

    /// The replay of them by this player.
    pub fn replay(self, player: Player) -> Replay {
        Replay::new(player, self.readers, self.speed, self.bytes_read)
    }
}

/// A replay as an app runs it.
pub(super) struct Replaying {
    replay: Replay,
    tell: Tell,
    outcome: oneshot::Sender<Outcome>,
    /// Held to the end, so that the sinks stay as long.
    outputs: Vec<LineOutput>,
}

impl fmt::Debug for Replaying {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Replaying").field("replay", &self.replay).finish_non_exhaustive()
    }
}

impl Replaying {
    /// The replay, and what comes of it.
    pub(super) fn new(
        replay: Replay,
        outputs: Vec<LineOutput>,
        tell: Tell,
    ) -> (Self, oneshot::Receiver<Outcome>) {
        let (outcome, ended) = oneshot::channel();
        (Self { replay, tell, outcome, outputs }, ended)
    }

    /// Replays, and stays until it is told to stop: what was replayed goes on being served.
    pub(super) async fn run(self: Box<Self>, mut stop: watch::Receiver<bool>) {
        let Self { replay, tell, outcome, outputs } = *self;
        let stopped = stop.clone();
        let _ = outcome.send(spawn_blocking(move || replay.run(&stopped, tell)).await);
        // Who is gone without a word has stopped, too.
        let _ = stop.wait_for(|stop| *stop).await;
        drop(outputs);
    }
}
