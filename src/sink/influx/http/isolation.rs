//! Isolation: the refused lines of a piece are found, and the others go their way.
//!
//! Lines that the server names are taken out and the rest is sent again; else the piece is halved
//! until single lines are refused. Sending a line twice does no harm, its point is the same.
//! [`REFUSALS_MAX`] bounds halving: a server that refuses so much does not mean single lines, so
//! what it says of dropped lines is believed then, and where it says nothing all of the piece is
//! given up. Lines that are named get fewer each time by themselves.

use hyper::body::Bytes;

use super::answer::Poison;
use crate::sink::influx::load::{Load, count_lines};
use crate::telemetry;

/// Most refusals without a name by which lines of one load are isolated: some ten among thousands.
const REFUSALS_MAX: u32 = 256;

/// Settles what is known of a refused piece, and cuts it where nothing is.
pub(super) fn isolate(load: &mut Load, piece: &Bytes, poison: Poison, tally: &telemetry::Sink) {
    let lines = count_lines(piece);
    load.refusals += u32::from(!matches!(poison, Poison::Lines(_)));
    let is_enough = load.refusals >= REFUSALS_MAX;
    let give_up = |load: &mut Load, refused: u64| {
        load.pop();
        tally.rejected.inc_by(refused.min(lines));
        tally.written.inc_by(lines.saturating_sub(refused));
    };
    match poison {
        Poison::Lines(refused) => {
            load.pop();
            load.push_front(&without(piece, |index| refused.contains(&index)), piece.len());
            tally.rejected.inc_by(refused.len() as u64);
        }
        Poison::Count(count) if count >= lines || is_enough => give_up(load, count),
        Poison::Count(_) | Poison::Unknown => {
            if is_enough || !load.halve() {
                load.pop();
                tally.rejected.inc_by(lines);
            }
        }
    }
}

/// The lines but those that `leave_out` says yes to.
fn without(lines: &[u8], leave_out: impl Fn(usize) -> bool) -> Bytes {
    let kept =
        lines.split_inclusive(|byte| *byte == b'\n').enumerate().filter(|(index, _)| !leave_out(*index));
    kept.flat_map(|(_, line)| line).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    #[test]
    fn isolating_settles_each_line_once() {
        let lines = "a 1\nb 2\nc 3\nd 4\n";
        let settled = |poison, refusals| {
            let tally = Telemetry::new(1).sink("main");
            let mut load = Load::new(lines.as_bytes().to_vec(), 1 << 20);
            load.refusals = refusals;
            let piece = load.front().unwrap().clone();
            isolate(&mut load, &piece, poison, &tally);
            (tally.written.get(), tally.rejected.get(), load.pieces().join("|"))
        };
        assert_eq!(settled(Poison::Lines([1, 2].into()), 0), (0, 2, "a 1\nd 4\n".to_owned()));
        assert_eq!(settled(Poison::Lines([0, 1, 2, 3].into()), 0), (0, 4, String::new()));
        assert_eq!(
            settled(Poison::Lines([1].into()), REFUSALS_MAX - 1),
            (0, 1, "a 1\nc 3\nd 4\n".to_owned())
        );
        assert_eq!(settled(Poison::Count(4), 0), (0, 4, String::new()));
        assert_eq!(settled(Poison::Count(9), 0), (0, 4, String::new()));
        assert_eq!(settled(Poison::Count(1), 0), (0, 0, "a 1\nb 2\n|c 3\nd 4\n".to_owned()));
        assert_eq!(settled(Poison::Count(1), REFUSALS_MAX - 1), (3, 1, String::new()));
        assert_eq!(settled(Poison::Unknown, 0), (0, 0, "a 1\nb 2\n|c 3\nd 4\n".to_owned()));
        assert_eq!(settled(Poison::Unknown, REFUSALS_MAX - 1), (0, 4, String::new()));
    }

    #[test]
    fn lines_that_are_named_do_not_count_towards_giving_up() {
        let tally = Telemetry::new(1).sink("main");
        let mut load = Load::new(b"a 1\nb 2\nc 3\n".to_vec(), 1 << 20);
        load.refusals = REFUSALS_MAX - 2;
        for poison in [Poison::Lines([0].into()), Poison::Unknown] {
            let piece = load.front().unwrap().clone();
            isolate(&mut load, &piece, poison, &tally);
        }
        assert_eq!((load.pieces().join("|"), tally.rejected.get()), ("b 2\n|c 3\n".to_owned(), 1));
    }
}
