//! Signals: SIGTERM and SIGINT stop the program, a second one at once; what others mean says the
//! command.

use std::io;

pub use tokio::signal::unix::SignalKind;
use tokio::signal::unix::{Signal, signal};

/// A signal that may come again and again, and does nothing by itself.
#[derive(Debug)]
pub struct Signals(Signal);

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// Where the system will not let us.
    pub fn listen(kind: SignalKind) -> io::Result<Self> {
        signal(kind).map(Self)
    }

    /// Calls `then` for each, those included that have come already; those that come at once may be one.
    pub fn each(mut self, then: impl Fn() + Send + 'static) {
        tokio::spawn(async move {
            while self.0.recv().await.is_some() {
                then();
            }
        });
    }
}

/// The signals that stop.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens from now on.
    ///
    /// # Errors
    /// Where the system will not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first; a second ends the process without further ado.
    pub async fn wait(mut self) {
        self.next().await;
        self.end_at_next();
    }

    /// The next ends the process without further ado.
    pub fn end_at_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(crate::command::Exit::Internal as i32);
        });
    }

    /// Waits for the next.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
