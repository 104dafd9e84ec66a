//! The table of figures, and taking times on a machine that is shared and noisy.

use std::fmt::{Display, Formatter, Result};
use std::time::{Duration, Instant};

/// What a figure must reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// It or more.
    AtLeast(f64),
    /// It or less.
    AtMost(f64),
    /// Anything: the line is there to compare others with.
    None,
}

impl Target {
    fn is_reached(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
            Self::None => true,
        }
    }
}

impl Display for Target {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Self::AtLeast(least) => write!(formatter, "≥ {least}"),
            Self::AtMost(most) => write!(formatter, "≤ {most}"),
            Self::None => formatter.write_str("–"),
        }
    }
}

/// One line of the table.
#[derive(Debug)]
struct Line {
    what: String,
    subject: String,
    yardstick: String,
    figure: f64,
    target: Target,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// Adds a line: the subject and the yardstick in words, and the figure that has a target.
    pub(crate) fn add(
        &mut self,
        what: &str,
        subject: String,
        yardstick: String,
        figure: f64,
        target: Target,
    ) {
        println!("{what}: {subject}; {yardstick}; {figure:.2} ({target})");
        self.lines.push(Line { what: what.to_owned(), subject, yardstick, figure, target });
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        writeln!(formatter, "| what | subject | yardstick | figure | must reach | |")?;
        writeln!(formatter, "|---|---|---|---|---|---|")?;
        for Line { what, subject, yardstick, figure, target } in &self.lines {
            let verdict = match target {
                Target::None => "",
                target if target.is_reached(*figure) => "yes",
                _ => "**no**",
            };
            writeln!(formatter, "| {what} | {subject} | {yardstick} | {figure:.2} | {target} | {verdict} |")?;
        }
        Ok(())
    }
}

/// The shortest time of one thing.
pub(crate) fn fastest(mut work: impl FnMut()) -> Duration {
    (0..10).map(|_| time(&mut work)).min().unwrap_or_default()
}

/// The shortest time of each of two things, done in turns, so that what else the machine does
/// disturbs both alike.
pub(crate) fn versus(
    rounds: usize,
    mut yardstick: impl FnMut(),
    mut subject: impl FnMut(),
) -> (Duration, Duration) {
    let mut shortest = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        shortest.0 = shortest.0.min(time(&mut yardstick));
        shortest.1 = shortest.1.min(time(&mut subject));
    }
    shortest
}

/// How long something takes this thread, without the time in which it could have run and
/// another process had its core: as if the machine were its own.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let waited = || {
        let task = procfs::process::Process::myself().unwrap().task_main_thread().unwrap();
        Duration::from_nanos(task.schedstat().unwrap().run_delay)
    };
    let (before, started) = (waited(), Instant::now());
    work();
    started.elapsed().saturating_sub(waited().saturating_sub(before))
}

/// Events a second, in words.
pub(crate) fn per_second(events: usize, time: Duration) -> String {
    format!("{:.2} M events/s", events as f64 / time.as_secs_f64() / 1e6)
}

/// A time in words.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
