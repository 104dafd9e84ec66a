//! The flow: from pieces of input to pieces of output. Knows no clock, and no files.

use std::fmt::Write as _;
use std::io::{self, Write};

use prometheus_client::metrics::counter::Counter;

use super::FilterArgs;
use super::fork::{Fork, Refused};
use super::lines::{Line, Lines};
use super::refusal::Refusal;
use super::tally::Tally;
use crate::command::kit::{Kit, write_series};
use crate::command::stdout::Output;
use crate::config::OnDelete;
use crate::pipeline::{LineOutput, Moment};
use crate::sink::queue::{self, Batch, LineReceiver};

/// Lines that are written in one go where the input does not pause.
const WRITE_BYTES: usize = 64 << 10;

/// Why it goes no further.
#[derive(Debug)]
pub(super) enum End {
    /// Something was refused, and nothing was to be.
    Refused,
    /// The output takes nothing.
    Write(io::Error),
}

impl From<io::Error> for End {
    fn from(err: io::Error) -> Self {
        Self::Write(err)
    }
}

/// What lies between stdin and stdout.
#[derive(Debug)]
pub(super) struct Flow<W, T> {
    lines: Lines,
    current: Current<W, T>,
}

/// What a line flows through.
#[derive(Debug)]
struct Current<W, T> {
    fork: Fork,
    tally: Tally<T>,
    written: LineReceiver,
    dropped: Counter,
    batch: Batch,
    out: W,
    output: Output,
    strict: bool,
}

impl<W: Write, T: FnMut(String)> Flow<W, T> {
    /// A flow into `out`; `tell` is given what people should know.
    pub(super) fn new(kit: Kit, args: &FilterArgs, out: W, tell: T) -> Self {
        let line_bytes_max = usize::try_from(kit.config.limits.frame_bytes.get()).unwrap_or(usize::MAX);
        let dropped = Counter::default();
        let (sender, written) = queue::lines(WRITE_BYTES, dropped.clone());
        let on_delete = if args.markers { OnDelete::Marker } else { OnDelete::None };
        let current = Current {
            fork: Fork::new(kit, LineOutput { sender, on_delete }),
            tally: Tally::new(tell),
            written,
            dropped,
            batch: Batch::default(),
            out,
            output: args.output,
            strict: args.strict,
        };
        Self { lines: Lines::new(line_bytes_max), current }
    }

    /// Takes what a read brought, and writes what comes of it.
    ///
    /// # Errors
    /// Why it goes no further, after the summary.
    pub(super) fn take(&mut self, piece: &[u8], now: Moment) -> Result<(), End> {
        let Self { lines, current } = self;
        let taken = lines.cut(piece, |line| current.apply(line, now));
        let taken = current.write().map_err(End::Write).and(taken);
        if let Err(End::Refused) = taken {
            current.sum_up();
        }
        taken
    }

    /// Writes what is left, the exposition if that is wanted, and the summary; `at_end` if the input
    /// has ended, so that what came behind the last line end is a line as well.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn finish(mut self, at_end: bool, now: Moment) -> Result<(), End> {
        let Self { lines, current } = &mut self;
        let last = lines.last().filter(|_| at_end);
        let applied = last.map_or(Ok(()), |(number, line)| current.apply((number, Ok(&line)), now));
        current.write()?;
        if applied.is_ok() && current.output == Output::Prometheus {
            current.write_exposition()?;
        }
        current.out.flush()?;
        current.sum_up();
        applied
    }
}

impl<W: Write, T: FnMut(String)> Current<W, T> {
    fn apply(&mut self, (number, line): Line<'_>, now: Moment) -> Result<(), End> {
        let applied = match line {
            // Between events, and at the end, there may be empty lines.
            Ok(line) if line.trim_ascii().is_empty() => return Ok(()),
            Ok(line) => self.fork.apply(line, now),
            Err(_) => Err(Refusal::TooLong),
        };
        let is_clean = match applied {
            Ok(Refused { last: None, .. }) => {
                self.tally.applied();
                true
            }
            Ok(Refused { count, last: Some(last) }) => {
                self.tally.applied();
                self.tally.readings_refused(number, count, last, now.instant);
                false
            }
            Err(refusal) => {
                self.tally.refused(number, refusal, now.instant);
                false
            }
        };
        if self.written.bytes() >= WRITE_BYTES {
            self.write()?;
        }
        if is_clean || !self.strict { Ok(()) } else { Err(End::Refused) }
    }

    /// Writes the lines that wait.
    fn write(&mut self) -> io::Result<()> {
        let Self { written, batch, .. } = self;
        batch.bytes.clear();
        written.take(batch);
        if self.output == Output::Lines && batch.lines > 0 {
            self.tally.lines_out += batch.lines;
            self.out.write_all(&batch.bytes)?;
        }
        Ok(())
    }

    /// Writes every series that is left, and counts them.
    fn write_exposition(&mut self) -> io::Result<()> {
        let Self { fork, out, tally, .. } = self;
        let (lines, written) = write_series(out, &fork.tables());
        tally.lines_out += lines;
        written
    }

    fn sum_up(&mut self) {
        let mut summary = self.tally.summary();
        if self.dropped.get() > 0 {
            let _ = write!(summary, "; dropped, as too long to hold: {}", self.dropped.get());
        }
        self.tally.tell(summary);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Account, Config};

    const QUEUE_EVENT: &str = include_str!("../../../tests/fixtures/queue-event.json");

    /// Filters these pieces: how it ended, the output, and what was said.
    fn filter(
        config: &str,
        args: &FilterArgs,
        pieces: &[Vec<u8>],
    ) -> (Result<(), End>, Vec<u8>, Vec<String>) {
        let loaded = Config::from_text(Account::Unused, "test".as_ref(), config, std::iter::empty()).unwrap();
        let (mut out, mut said) = (Vec::new(), Vec::new());
        let mut flow = Flow::new(Kit::new(loaded, None).unwrap(), args, &mut out, |text| said.push(text));
        let taken = pieces.iter().try_for_each(|piece| flow.take(piece, Moment::now()));
        let ended = taken.and_then(|()| flow.finish(true, Moment::now()));
        (ended, out, said)
    }

    const fn args(output: Output, strict: bool) -> FilterArgs {
        FilterArgs { config: None, output, markers: true, strict }
    }

    /// A line that may be anything, though likely an event with something wrong.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let event = QUEUE_EVENT.replace('\n', "");
        let spoilt = (0..event.len(), any::<u8>()).prop_map({
            let event = event.clone();
            move |(at, byte)| {
                let mut bytes = event.clone().into_bytes();
                bytes[at] = byte;
                bytes
            }
        });
        prop_oneof![
            Just(event.clone().into_bytes()),
            Just(event.replace("UPSERT", "DELETE").into_bytes()),
            spoilt,
            prop::collection::vec(any::<u8>(), 0..40),
        ]
    }

    proptest! {
        #[test]
        fn whatever_comes_in_what_goes_out_is_legal_and_all_of_it_is_counted(
            lines in prop::collection::vec(line(), 0..12),
            piece_bytes in 1_usize..900,
        ) {
            let input = lines.join(&b'\n');
            let pieces: Vec<Vec<u8>> = input.chunks(piece_bytes).map(<[u8]>::to_vec).collect();
            let (ended, out, said) = filter("", &args(Output::Lines, false), &pieces);
            prop_assert!(ended.is_ok());
            let out = String::from_utf8(out).unwrap();
            prop_assert!(influxdb_line_protocol::parse_lines(&out).all(|line| line.is_ok()), "{}", out);
            let came = input.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
            let summary = said.last().unwrap();
            let begin = format!("lines: {came} in, ");
            prop_assert!(summary.starts_with(&begin), "{}", summary);
            let end = format!(", {} out", out.lines().count());
            prop_assert!(summary.contains(&end), "{}", summary);

            let (ended, out, _) = filter("", &args(Output::Prometheus, false), &pieces);
            prop_assert!(ended.is_ok());
            let out = String::from_utf8(out).unwrap();
            let series = crate::legal::read(crate::legal::Syntax::Text, &out);
            prop_assert!(series.is_ok(), "{:?} in\n{}", series.err(), out);
        }
    }

    /// An output that breaks after so many bytes.
    struct Breaking(usize);

    impl Write for Breaking {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_breaks_ends_it_without_a_word() {
        let event = QUEUE_EVENT.replace('\n', "") + "\n";
        let loaded = Config::from_text(Account::Unused, "test".as_ref(), "", std::iter::empty()).unwrap();
        for (output, room) in [(Output::Lines, 900), (Output::Prometheus, 100)] {
            let kit = Kit::new(loaded.clone(), None).unwrap();
            let mut flow =
                Flow::new(kit, &args(output, false), Breaking(room), |text| panic!("it said {text}"));
            let now = Moment::now();
            let taken = (0..3).try_for_each(|_| flow.take(event.as_bytes(), now));
            let ended = taken.and_then(|()| flow.finish(true, now));
            assert!(
                matches!(&ended, Err(End::Write(err)) if err.kind() == io::ErrorKind::BrokenPipe),
                "{output:?}: {ended:?}"
            );
        }
    }

    #[test]
    fn a_busy_input_does_not_make_lines_pile_up() {
        // Each line is many times as long as its event.
        let rule = |name: &str| {
            format!("[[relabel]]\ntarget_label = \"{name}\"\nreplacement = \"{}\"\n", "x".repeat(16_000))
        };
        let config: String = (0..40).map(|index| rule(&format!("l{index}"))).collect();
        let event = r#"{"keys":{"a":"KEY"},"eventAction":"UPSERT","payloadType":"LIVE","measureProducerId":"P_itd_1","measures":{"n":"1"}}"#;
        let events: String = (0..28).map(|key| event.replace("KEY", &key.to_string()) + "\n").collect();
        let (ended, out, said) = filter(&config, &args(Output::Lines, true), &[events.into_bytes()]);
        assert!(ended.is_ok(), "{said:?}");
        assert!(
            out.len() > queue::QUEUE_BYTES_MAX && said == ["lines: 28 in, 28 applied, 0 refused, 28 out"],
            "{said:?}"
        );
    }
}
