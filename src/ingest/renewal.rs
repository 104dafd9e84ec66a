//! Renewal: a feed pauses, and goes on with what a reload has made of it.
//!
//! While it pauses it reads nothing, so that nobody writes its table: what comes waits in the
//! socket. All feeds pause at once, and who looks at their tables sees all of them renewed or none.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::ingest::api::Api;
use crate::ingest::dial::Dialer;
use crate::ingest::endpoint::Allowed;
use crate::ingest::link::Settings;
use crate::parse::measures::Measures;
use crate::pipeline::Pipeline;

/// What a feed is asked to pause by.
#[derive(Debug)]
pub struct Pause {
    /// Takes what the feed has seen of its measures, once it pauses.
    pub paused: oneshot::Sender<Measures>,
    /// Brings what the feed goes on with; dropped, it goes on as before.
    pub renewal: oneshot::Receiver<Renewal>,
}

/// What a feed goes on with.
#[derive(Debug)]
pub struct Renewal {
    /// A pipeline that has adopted the rows of the one before.
    pub pipeline: Pipeline,
    /// AXP's REST interfaces.
    pub api: Arc<Api>,
    /// The way out.
    pub dialer: Dialer,
    /// Where a token may go.
    pub allowed: Allowed,
    /// The session's settings.
    pub settings: Settings,
    /// The locale of descriptions; none to ask for no dictionary.
    pub locale: Option<String>,
    /// Whether a session that is up is replaced by another, which brings a snapshot.
    pub anew: bool,
}
