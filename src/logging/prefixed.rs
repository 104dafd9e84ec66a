//! Log lines for Telegraf, which takes the level of what a program writes to stderr from the
//! beginning of each line
//! ([inputs.execd](https://github.com/influxdata/telegraf/tree/master/plugins/inputs/execd)).
//!
//! An event is one line, whatever stands in it, without colours and without a time, as Telegraf adds
//! its own. Telegraf stops reading at a line of 64 KiB; ours are cut long before.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Most bytes of a message: with prefix and end a line goes into a pipe in one piece.
const MESSAGE_BYTES_MAX: usize = 4000;

/// Writes events as lines with a prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefixed;

impl<S, N> FormatEvent<S, N> for Prefixed
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = String::new();
        context.field_format().format_fields(Writer::new(&mut message), event)?;
        writer.write_str(prefix(*event.metadata().level()))?;
        for (at, character) in message.char_indices() {
            if at >= MESSAGE_BYTES_MAX {
                writer.write_char('…')?;
                break;
            }
            writer.write_char(if character.is_control() { ' ' } else { character })?;
        }
        writer.write_char('\n')
    }
}

/// What Telegraf knows a level by.
const fn prefix(level: Level) -> &'static str {
    match level {
        Level::ERROR => "E! ",
        Level::WARN => "W! ",
        Level::INFO => "I! ",
        Level::DEBUG => "D! ",
        Level::TRACE => "T! ",
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, trace, warn};
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    /// What is kept of what is written.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of the events that `say` says.
    fn written(say: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .event_format(Prefixed)
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_level_has_the_prefix_that_telegraf_knows() {
        let said = written(|| {
            error!("a");
            warn!("b");
            info!(producer = "Queue_itd_1.0.0", count = 3, "feed up");
            debug!("d");
            trace!("e");
        });
        assert_eq!(said, "E! a\nW! b\nI! feed up producer=\"Queue_itd_1.0.0\" count=3\nD! d\nT! e\n");
    }

    #[test]
    fn an_event_is_one_line_whatever_stands_in_it() {
        let said = written(|| {
            error!(err = %"a\nI! b\r\u{1b}[31mc", "x\ny");
            info!(text = "q\nr", "z");
        });
        assert_eq!(said.lines().count(), 2, "{said:?}");
        assert!(said.starts_with("E! x y err=a I! b  ") && !said.contains('\u{1b}'), "{said:?}");
    }

    #[test]
    fn a_long_message_is_cut_where_a_character_begins() {
        let said = written(|| error!("{}", "é".repeat(100_000)));
        assert!(said.len() < 4096 && said.ends_with("é…\n"), "{} bytes", said.len());
    }
}
