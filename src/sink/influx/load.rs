//! A load: lines on their way to a target.
//!
//! It consists of pieces of whole lines, and the front piece is the next to go. What a target
//! has settled it takes off the front; what it cannot take in one go it cuts. So a load that
//! comes back from a target that failed is exactly what is not settled yet.

use std::collections::VecDeque;

use hyper::body::Bytes;

/// Lines that are not settled yet, in order.
#[derive(Debug, Default)]
pub(super) struct Load {
    pieces: VecDeque<Bytes>,
    /// How often the target has refused lines of it and named none.
    pub(super) refusals: u32,
}

impl Load {
    /// Whole lines, in pieces of at most `piece_bytes`; a line that is longer has a piece for
    /// itself.
    pub(super) fn new(lines: Vec<u8>, piece_bytes: usize) -> Self {
        let mut load = Self::default();
        load.push_front(&Bytes::from(lines), piece_bytes);
        load
    }

    /// The next piece: at least one line.
    pub(super) fn front(&self) -> Option<&Bytes> {
        self.pieces.front()
    }

    /// Takes the next piece, which is settled.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.pieces.pop_front()
    }

    /// Puts lines before all others, cut to pieces.
    pub(super) fn push_front(&mut self, lines: &Bytes, piece_bytes: usize) {
        let mut pieces = Vec::new();
        let mut rest = lines.clone();
        while !rest.is_empty() {
            pieces.push(rest.split_to(cut_at(&rest, piece_bytes)));
        }
        for piece in pieces.into_iter().rev() {
            self.pieces.push_front(piece);
        }
    }

    /// Cuts the next piece into two of about the same size; false where it is a single line.
    pub(super) fn halve(&mut self) -> bool {
        let Some(mut piece) = self.pieces.pop_front() else { return false };
        let at = cut_at(&piece, piece.len() / 2);
        let is_cut = at < piece.len();
        let first = piece.split_to(at);
        if is_cut {
            self.pieces.push_front(piece);
        }
        self.pieces.push_front(first);
        is_cut
    }

    /// Takes the whole lines within the first `bytes` of the next piece, which are settled.
    /// Gives how many lines those are.
    pub(super) fn advance(&mut self, bytes: usize) -> u64 {
        let Some(mut piece) = self.pieces.pop_front() else { return 0 };
        let whole = piece.get(..bytes).map_or(piece.len(), last_line_end);
        let settled = piece.split_to(whole);
        if !piece.is_empty() {
            self.pieces.push_front(piece);
        }
        count_lines(&settled)
    }

    /// Whether everything is settled.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> u64 {
        self.pieces.iter().map(|piece| count_lines(piece)).sum()
    }

    /// Something that changes whenever the load does: how many pieces and bytes there are.
    pub(super) fn state(&self) -> (usize, usize) {
        (self.pieces.len(), self.pieces.iter().map(Bytes::len).sum())
    }

    /// Its pieces in order, as text.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> Vec<&str> {
        self.pieces.iter().map(|piece| str::from_utf8(piece).unwrap()).collect()
    }
}

/// How many lines these are.
#[expect(clippy::naive_bytecount, reason = "the compiler makes it fast enough")]
pub(super) fn count_lines(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Where the last whole line of these bytes ends; 0 without one.
pub(super) fn last_line_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// Where to cut lines so that the first part has at most `bytes_max`, but one line at least.
pub(super) fn cut_at(lines: &[u8], bytes_max: usize) -> usize {
    let Some((within, beyond)) = lines.split_at_checked(bytes_max) else {
        return lines.len();
    };
    match last_line_end(within) {
        0 => beyond.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| bytes_max + at + 1),
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load(lines: &str, piece_bytes: usize) -> Load {
        Load::new(lines.as_bytes().to_vec(), piece_bytes)
    }

    #[test]
    fn lines_are_cut_where_they_end() {
        assert_eq!(load("a\nbb\nccc\n", 5).pieces(), ["a\nbb\n", "ccc\n"]);
        assert_eq!(load("a\nbbbbbbb\nc\n", 3).pieces(), ["a\n", "bbbbbbb\n", "c\n"]);
        assert!(load("", 5).is_empty());
    }

    #[test]
    fn what_is_settled_goes_off_the_front() {
        let mut load = load("a\nbb\nccc\n", 100);
        assert_eq!(load.advance(3), 1, "the second line is not whole");
        assert_eq!((load.pieces(), load.lines()), (vec!["bb\nccc\n"], 2));
        assert!(load.halve());
        assert_eq!(load.pieces(), ["bb\n", "ccc\n"]);
        assert!(!load.halve());
        assert_eq!(load.advance(0), 0);
        assert_eq!(load.advance(3), 1);
        load.push_front(&Bytes::from_static(b"x\n"), 100);
        assert_eq!(load.pieces(), ["x\n", "ccc\n"]);
    }

    proptest! {
        #[test]
        fn no_cut_loses_a_line(lines in "([a-z]{0,9}\n){1,20}", piece_bytes in 1usize..40, halves in 0usize..9) {
            let mut load = load(&lines, piece_bytes);
            for _ in 0..halves {
                load.halve();
            }
            prop_assert_eq!(load.pieces().concat(), lines.clone());
            prop_assert!(load.pieces().iter().all(|piece| piece.ends_with('\n')
                && (piece.len() <= piece_bytes || piece.matches('\n').count() == 1)));
            prop_assert_eq!(load.lines(), lines.matches('\n').count() as u64);
        }
    }
}
