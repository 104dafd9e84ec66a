//! Signals: SIGTERM and SIGINT stop the program, a second one at once; SIGHUP has the configuration
//! read, and files opened, anew.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Calls `then` at each SIGHUP, from now on.
///
/// # Errors
/// Where the system will not let us.
pub fn on_hangup(then: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            then();
        }
    });
    Ok(())
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
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(crate::command::Exit::Internal as i32);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
