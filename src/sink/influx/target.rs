//! A target: where lines go, and what keeps them from arriving.
//!
//! Every target takes a load step by step and by the same rule. What it has settled (written,
//! refused for good or given up) it takes off the load and counts; what is left when it reports a
//! [`Trouble`] is to be tried again.

use std::fs::File;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::watch;
use url::Url;

use super::Error;
use super::datagrams::Datagrams;
use super::file::{Heard, LineFile};
use super::http::Http;
use super::load::Load;
use super::output::Output;
use super::stream::{Address, Stream};
use crate::blocking::Blocking;
use crate::config::{Influx, InfluxSecrets, SecretError, Target as Kind};
use crate::ingest::dial::Dialer;
use crate::telemetry;

/// Where lines go.
#[derive(Debug)]
pub(super) enum Target {
    /// An HTTP API of InfluxDB's, boxed for its size.
    Http(Box<Http>),
    /// A file, and how long a step may take.
    File(Blocking<LineFile>, Duration),
    /// Standard output.
    Stdout(Blocking<Output<File>>),
    /// A TCP connection or a Unix socket.
    Stream(Stream),
    /// UDP datagrams.
    Datagrams(Datagrams),
}

impl Target {
    /// What the configuration names; nobody is called and nothing opened yet.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn new(
        config: &Influx,
        secrets: &InfluxSecrets,
        way_out: &watch::Receiver<Dialer>,
    ) -> Result<Self, Error> {
        let timeout = config.timeout.get();
        Ok(match config.target {
            Kind::Http => {
                let url = Url::parse(&config.url).map_err(|err| Error::Url(config.url.clone(), err))?;
                Self::Http(Box::new(Http::new(config, secrets, &url, way_out.clone()).map_err(Error::Dial)?))
            }
            Kind::File => {
                let file = LineFile::new(&config.path, config.rotate_bytes.get(), config.rotate_keep);
                Self::File(Blocking::new(file), timeout)
            }
            Kind::Stdout => {
                let output = Output::stdout().map_err(|err| Error::Open("/dev/stdout".into(), err))?;
                Self::Stdout(Blocking::new(output))
            }
            Kind::Tcp => Self::Stream(Stream::new(Address::Tcp(config.address.clone()), timeout)),
            Kind::Unix => Self::Stream(Stream::new(Address::Unix(config.path.clone()), timeout)),
            Kind::Udp => Self::Datagrams(Datagrams::new(config.address.clone())),
        })
    }

    /// Opens what can be opened before there are lines; false where only these will show whether
    /// it works.
    ///
    /// # Errors
    /// Why the file cannot be opened.
    pub(super) async fn open(&self) -> io::Result<bool> {
        match self {
            Self::File(file, _) => file.run(LineFile::open).await.flatten().map(|()| true),
            Self::Stdout(_) => Ok(true),
            Self::Http(_) | Self::Stream(_) | Self::Datagrams(_) => Ok(false),
        }
    }

    /// Delivers what is left of lines before the load, and that as far as possible, in at most so
    /// many steps. It may be given up at any moment where lines may come twice or can be taken back,
    /// which they can from all but standard output.
    ///
    /// # Errors
    /// What kept the rest from being delivered.
    pub(super) async fn deliver(
        &mut self,
        load: &mut Load,
        tally: &telemetry::Sink,
        steps_max: usize,
    ) -> Result<(), Trouble> {
        if let Self::Stream(stream) = self {
            stream.resume().await?;
        }
        for _ in 0..steps_max {
            if load.is_empty() {
                break;
            }
            self.step(load, tally).await?;
        }
        Ok(())
    }

    /// Whether something is left to be delivered of lines that are off their load.
    pub(super) fn has_unsent(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.has_unsent())
    }

    /// These lines, whole, as they count as written.
    pub(super) fn unsent_lines(&self) -> Vec<u8> {
        if let Self::Stream(stream) = self { stream.unsent_lines() } else { Vec::new() }
    }

    /// Delivers what is left of lines, and what may have been lost of them, before the end, and waits
    /// for a peer to have read it, which may take for ever.
    ///
    /// # Errors
    /// What kept it from being delivered.
    pub(super) async fn finish(&mut self) -> Result<(), Trouble> {
        match self {
            Self::Stream(stream) => stream.finish().await,
            Self::File(file, _) => Ok(file.run(LineFile::settle).await?),
            Self::Http(_) | Self::Stdout(_) | Self::Datagrams(_) => Ok(()),
        }
    }

    /// Settles the front piece of the load, or finds out more about it: one request of HTTP.
    async fn step(&mut self, load: &mut Load, tally: &telemetry::Sink) -> Result<(), Trouble> {
        match self {
            Self::Http(http) => http.step(load, tally).await,
            Self::File(file, timeout) => {
                let heard = Heard::default();
                let told = heard.clone();
                let work = |file: &mut LineFile, lines: &[u8]| file.append(lines, told);
                let appended = timed(*timeout, append(file, work, load, tally)).await;
                if !matches!(appended, Err(Trouble::TimedOut)) {
                    heard.set();
                }
                appended
            }
            Self::Stdout(stdout) => Ok(append(stdout, Output::append, load, tally).await?),
            Self::Stream(stream) => stream.step(load, tally).await,
            Self::Datagrams(datagrams) => datagrams.step(load, tally).await,
        }
    }

    /// Has a file opened anew, as it may have been moved away; its disk may take its time for that.
    pub(super) fn reopen(&self) {
        if let Self::File(file, _) = self {
            let file = file.clone();
            tokio::spawn(async move { file.run(LineFile::close).await });
        }
    }
}

/// Delivers by a function that says how many bytes of whole lines it has settled.
async fn append<T: Send + 'static>(
    target: &Blocking<T>,
    append: impl FnOnce(&mut T, &[u8]) -> (usize, io::Result<()>) + Send + 'static,
    load: &mut Load,
    tally: &telemetry::Sink,
) -> io::Result<()> {
    let Some(piece) = load.front().cloned() else { return Ok(()) };
    let (bytes, appended) = target.run(move |target| append(target, &piece)).await?;
    tally.written.inc_by(load.advance(bytes));
    appended
}

/// Does this in time, or not.
pub(super) async fn timed<T>(
    timeout: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Trouble> {
    Ok(tokio::time::timeout(timeout, work).await.map_err(|_| Trouble::TimedOut)??)
}

/// What keeps lines from being delivered.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The file or the connection says no.
    Io(io::Error),
    /// It takes too long.
    TimedOut,
    /// No answer, or half of one.
    Unreachable(reqwest::Error),
    /// A secret cannot be read.
    Secret(&'static str, SecretError),
    /// The token has characters that no header can have.
    Unsendable,
    /// The server says no.
    Refused {
        /// Its status.
        status: StatusCode,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// Its own words, fit for a log.
        detail: String,
    },
    /// The program ends.
    Stopping,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// After a pause that grows.
    Soon,
    /// After such a pause, and not before this has passed.
    NotBefore(Duration),
    /// Rarely: somebody has to put it right first.
    Rarely,
}

impl Trouble {
    /// When to try again.
    pub(super) const fn again(&self) -> Again {
        match self {
            Self::Io(_) | Self::TimedOut | Self::Unreachable(_) | Self::Stopping => Again::Soon,
            Self::Secret(..) | Self::Unsendable => Again::Rarely,
            Self::Refused { status, retry_after, .. } => match (status.as_u16(), *retry_after) {
                (408 | 429 | 500..=599, Some(time)) => Again::NotBefore(time),
                (408 | 429 | 500..=599, None) => Again::Soon,
                // Not let in, no such database, a redirect: what we were told to do is wrong.
                _ => Again::Rarely,
            },
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(err: io::Error) -> Self {
        Self::Io(err)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(_) => formatter.write_str("write lines"),
            Self::TimedOut => formatter.write_str("write lines in time"),
            Self::Unreachable(_) => formatter.write_str("get an answer"),
            Self::Secret(key, _) => write!(formatter, "read {key}"),
            Self::Unsendable => formatter.write_str("put the token into a header"),
            Self::Refused { status, detail, .. } => write!(formatter, "have lines taken: {status} {detail}"),
            Self::Stopping => formatter.write_str("write lines before the end"),
        }
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(err) => Some(err),
            Self::Unreachable(err) => Some(err),
            Self::Secret(_, err) => Some(err),
            Self::TimedOut | Self::Unsendable | Self::Refused { .. } | Self::Stopping => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::telemetry::Telemetry;

    const TIMEOUT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_file_on_a_disk_that_hangs_is_given_up_in_time_and_gets_each_line_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let tally = Telemetry::new(1).sink("main");
        let file = Blocking::new(LineFile::new(&path, 0, 5));
        let hang = file.hang().await;
        let mut target = Target::File(file, TIMEOUT);
        assert!(matches!(timed(TIMEOUT, target.open()).await, Err(Trouble::TimedOut)));
        let mut load = Load::new(b"a x=1 1\nb x=1 1\n".to_vec(), 8);
        for _ in 0..3 {
            let delivered = target.deliver(&mut load, &tally, usize::MAX).await;
            assert!(matches!(delivered, Err(Trouble::TimedOut)));
            target.reopen();
        }
        assert_eq!((load.lines(), tally.written.get()), (2, 0));
        drop(hang);
        while !load.is_empty() {
            let _ = target.deliver(&mut load, &tally, usize::MAX).await;
        }
        assert_eq!(tally.written.get(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a x=1 1\nb x=1 1\n");
    }

    #[tokio::test]
    async fn lines_that_a_disk_took_after_they_were_given_up_are_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let tally = Telemetry::new(1).sink("main");
        let file = Blocking::new(LineFile::new(&path, 0, 5));
        let mut target = Target::File(file.clone(), Duration::from_secs(20));
        // It is begun, and goes on when nobody waits for it; one that is done at once is no use.
        let load = loop {
            let mut load = Load::new(b"a x=1 1\n".to_vec(), 100);
            if target.deliver(&mut load, &tally, 1).now_or_never().is_none() {
                break load;
            }
        };
        assert!(file.run(|file| file.is_open()).await.unwrap(), "it was carried out");
        let lines = |count| "a x=1 1\n".repeat(usize::try_from(count).unwrap());
        let written = tally.written.get();
        assert_eq!(load.lines(), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines(written + 1));
        target.finish().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines(written), "whoever has it writes it");
    }
}
