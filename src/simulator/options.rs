//! What can be chosen about a simulator: as a plain struct for the library and as clap arguments for the commands.
//!
//! Defaults are the constants of this file and nowhere else. Values out of range are refused by
//! [`SimulatorOptions::check`], with what was found and what would be right.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use clap::{Args, ValueEnum};

/// Where `axp-exporter simulate` listens.
const COMMAND_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9956);

/// Agents: with their channels enough for well over a thousand series.
const AGENTS: usize = 50;

/// Queues.
const QUEUES: usize = 8;

/// LIVE events a second over all producers: one contact or so a second, lively to look at.
const RATE: f64 = 20.0;

/// Life of a token in seconds, as AXP's own.
const TOKEN_LIFE_SECONDS: u64 = 900;

/// What AXP asks for: a ping at least every five minutes.
const PING_INTERVAL_SECONDS: u64 = 300;

/// Events a socket may lag behind. At a few hundred bytes each this is some 20 MiB, shared between the sockets of one
/// producer; an interval reset of a large centre has to fit in.
const SOCKET_QUEUE_EVENTS: usize = 65_536;

const AGENTS_MAX: usize = 100_000;
const QUEUES_MAX: usize = 10_000;
const RATE_MAX: f64 = 50_000.0;

/// Longest life of a token, and longest ping interval: a year. A clock that much later can still be told.
const SPAN_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// The contact centre behind the interfaces.
#[derive(Debug, Clone, PartialEq)]
pub struct CentreOptions {
    /// Agents, logged in or not.
    pub agents: usize,
    /// Queues, each on two to four channels.
    pub queues: usize,
    /// LIVE events a second over all producers; 0 is a centre where nothing happens.
    pub events_per_second: f64,
}

/// How the answer to the authentication frame is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spelling {
    /// `authenticationResponse`, as documented.
    Documented,
    /// `AUTHENTICATION_RESPONSE`, as seen from a real server.
    Real,
    /// Either, by chance.
    Mixed,
}

/// All that can be chosen about a simulator.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Where to listen, loopback only; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The contact centre.
    pub centre: CentreOptions,
    /// Two simulators with one seed tell the same story. `None` draws one; [`Simulator::seed`] says which.
    ///
    /// [`Simulator::seed`]: super::Simulator::seed
    pub seed: Option<u64>,
    /// How long tokens live.
    pub token_life: Duration,
    /// Longest time without a ping before a socket is closed and its subscription set to `INACTIVE`.
    pub ping_interval: Duration,
    /// How long a socket may take to authenticate.
    pub authentication_timeout: Duration,
    /// How the answer to the authentication frame is spelled.
    pub spelling: Spelling,
    /// How often the model moves and its changes go out.
    pub tick: Duration,
    /// Events a socket may lag behind before it is closed.
    pub socket_queue_events: usize,
    /// Subscriptions an account may have; one more is answered with 409.
    pub subscriptions_max: usize,
}

impl Default for CentreOptions {
    fn default() -> Self {
        Self { agents: AGENTS, queues: QUEUES, events_per_second: RATE }
    }
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            centre: CentreOptions::default(),
            seed: None,
            token_life: Duration::from_secs(TOKEN_LIFE_SECONDS),
            ping_interval: Duration::from_secs(PING_INTERVAL_SECONDS),
            authentication_timeout: Duration::from_secs(10),
            spelling: Spelling::Mixed,
            tick: Duration::from_millis(50),
            socket_queue_events: SOCKET_QUEUE_EVENTS,
            subscriptions_max: 1_000,
        }
    }
}

impl SimulatorOptions {
    /// Refuses what could not be simulated; the text fits "failed to …: ".
    ///
    /// # Errors
    /// Names the first option that is out of range, what was found and what would be right.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let refuse = |option, found: String, right: String| Err(OutOfRange { option, found, right });
        let centre = &self.centre;
        if !self.listen.ip().is_loopback() {
            return refuse(
                "listen",
                self.listen.to_string(),
                "a loopback address such as 127.0.0.1:9956".to_owned(),
            );
        }
        if !(1..=AGENTS_MAX).contains(&centre.agents) {
            return refuse("agents", centre.agents.to_string(), format!("1 to {AGENTS_MAX}"));
        }
        if !(1..=QUEUES_MAX).contains(&centre.queues) {
            return refuse("queues", centre.queues.to_string(), format!("1 to {QUEUES_MAX}"));
        }
        if !(0.0..=RATE_MAX).contains(&centre.events_per_second) {
            return refuse(
                "rate",
                centre.events_per_second.to_string(),
                format!("0 to {RATE_MAX} events a second"),
            );
        }
        for (option, span) in [("token-life", self.token_life), ("ping-interval", self.ping_interval)] {
            if span.is_zero() || span > SPAN_MAX {
                let right = format!("1 to {} seconds", SPAN_MAX.as_secs());
                return refuse(option, span.as_secs().to_string(), right);
            }
        }
        if self.tick.is_zero() {
            return refuse("tick", "0".to_owned(), "1 millisecond or more".to_owned());
        }
        if self.socket_queue_events == 0 {
            return refuse("socket-queue-events", "0".to_owned(), "1 or more".to_owned());
        }
        Ok(())
    }
}

/// An option with a value that cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfRange {
    option: &'static str,
    found: String,
    right: String,
}

impl std::fmt::Display for OutOfRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} is {}, expected {}", self.option, self.found, self.right)
    }
}

impl std::error::Error for OutOfRange {}

/// The arguments that `demo` and `simulate` share.
#[derive(Debug, Clone, Args)]
pub struct CentreArgs {
    /// Agents of the simulated contact centre
    #[arg(long, default_value_t = AGENTS)]
    pub agents: usize,

    /// Queues of the simulated contact centre
    #[arg(long, default_value_t = QUEUES)]
    pub queues: usize,

    /// LIVE events a second over all producers, up to 50000; 0 lets nothing happen
    #[arg(long, default_value_t = RATE)]
    pub rate: f64,

    /// Seed of everything random, for the same story again [default: a random one]
    #[arg(long)]
    pub seed: Option<u64>,

    /// Life of a token in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = TOKEN_LIFE_SECONDS)]
    pub token_life: u64,
}

/// The arguments of `simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Address to listen on, loopback only
    #[arg(long, default_value_t = COMMAND_LISTEN)]
    pub listen: SocketAddr,

    /// The contact centre.
    #[command(flatten)]
    pub centre: CentreArgs,

    /// Longest time without a ping before a socket is closed
    #[arg(long, value_name = "SECONDS", default_value_t = PING_INTERVAL_SECONDS)]
    pub ping_interval: u64,

    /// How the answer to the authentication frame is spelled
    #[arg(long, value_enum, default_value_t = Spelling::Mixed)]
    pub spelling: Spelling,
}

impl From<CentreArgs> for SimulatorOptions {
    fn from(args: CentreArgs) -> Self {
        Self {
            centre: CentreOptions { agents: args.agents, queues: args.queues, events_per_second: args.rate },
            seed: args.seed,
            token_life: Duration::from_secs(args.token_life),
            ..Self::default()
        }
    }
}

impl From<SimulateArgs> for SimulatorOptions {
    fn from(args: SimulateArgs) -> Self {
        Self {
            listen: args.listen,
            ping_interval: Duration::from_secs(args.ping_interval),
            spelling: args.spelling,
            ..Self::from(args.centre)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        simulate: SimulateArgs,
    }

    #[test]
    fn the_command_without_arguments_has_the_defaults_of_the_library_except_for_the_port() {
        let options = SimulatorOptions::from(Command::parse_from(["simulate"]).simulate);
        let library = SimulatorOptions::default();
        assert_eq!(options.listen, COMMAND_LISTEN);
        assert_eq!(options.centre, library.centre);
        assert_eq!((options.seed, options.token_life), (None, library.token_life));
        assert_eq!((options.ping_interval, options.spelling), (library.ping_interval, library.spelling));
    }

    #[test]
    fn an_option_out_of_range_is_named_with_what_would_be_right() {
        let refused = |change: fn(&mut SimulatorOptions)| {
            let mut options = SimulatorOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(refused(|options| options.centre.agents = 0), "agents is 0, expected 1 to 100000");
        assert!(refused(|options| options.centre.events_per_second = f64::NAN).starts_with("rate is NaN"));
        assert_eq!(
            refused(|options| options.token_life = Duration::from_secs(u64::MAX)),
            "token-life is 18446744073709551615, expected 1 to 31536000 seconds"
        );
        assert!(refused(|options| options.ping_interval = Duration::ZERO).starts_with("ping-interval is 0"));
        assert!(refused(|options| options.listen = ([0, 0, 0, 0], 1).into()).contains("a loopback address"));
        assert_eq!(SimulatorOptions::default().check(), Ok(()));
    }
}
