//! Lines out of bytes as they come: a line may lie in many pieces, and many lines in one.
//!
//! What is held between two pieces is the beginning of one line, and no more of it than a line may
//! be long: a longer one is told of as soon as that is known, and the rest of it passed over.

use memchr::memchr;

/// A line longer than lines may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// A line, without its end, after how many others it came.
pub(super) type Line<'a> = (u64, Result<&'a [u8], TooLong>);

/// Cuts bytes into lines.
#[derive(Debug)]
pub(super) struct Lines {
    line_bytes_max: usize,
    /// The beginning of the line at hand, where it came with a piece before.
    held: Vec<u8>,
    /// True within a line that is too long.
    passes_over: bool,
    /// Lines before the one at hand.
    number: u64,
}

impl Lines {
    /// Lines of at most so many bytes.
    pub(super) const fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, held: Vec::new(), passes_over: false, number: 0 }
    }

    /// Hands on each line that ends in this piece, up to the first that is not taken.
    pub(super) fn cut<E>(
        &mut self,
        mut piece: &[u8],
        mut take: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = memchr(b'\n', piece) {
            let (head, rest) = piece.split_at(end);
            piece = rest.get(1..).unwrap_or_default();
            if self.passes_over {
                self.passes_over = false;
                continue;
            }
            self.number += 1;
            let taken = if self.held.len() + head.len() > self.line_bytes_max {
                take((self.number, Err(TooLong)))
            } else if self.held.is_empty() {
                take((self.number, Ok(head)))
            } else {
                self.held.extend_from_slice(head);
                take((self.number, Ok(&self.held)))
            };
            self.held.clear();
            taken?;
        }
        if self.passes_over {
            return Ok(());
        }
        if self.held.len() + piece.len() > self.line_bytes_max {
            (self.passes_over, self.held) = (true, Vec::new());
            self.number += 1;
            return take((self.number, Err(TooLong)));
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }

    /// The last line, where the input ended within it.
    pub(super) fn last(&mut self) -> Option<(u64, Vec<u8>)> {
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then(|| (self.number + 1, held))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    type Found = Vec<(u64, Option<Vec<u8>>)>;

    fn cut(lines: &mut Lines, piece: &[u8], found: &mut Found) {
        let taken = lines.cut(piece, |(number, line)| {
            found.push((number, line.ok().map(<[u8]>::to_vec)));
            Ok::<(), Infallible>(())
        });
        taken.unwrap();
    }

    #[test]
    fn a_line_that_is_too_long_is_told_of_once_and_held_no_more() {
        let mut lines = Lines::new(4);
        let mut found = Found::new();
        for piece in ["abcd\nab", "cde", "fgh\nxy", "\n", "12345\n", "z"] {
            cut(&mut lines, piece.as_bytes(), &mut found);
            assert!(lines.held.len() <= 4);
        }
        let line = |number, text: &str| (number, Some(text.as_bytes().to_vec()));
        assert_eq!(found, [line(1, "abcd"), (2, None), line(3, "xy"), (4, None)]);
        assert_eq!(lines.last(), Some((5, b"z".to_vec())));
        assert_eq!(lines.last(), None);
    }

    #[test]
    fn a_line_that_is_not_taken_ends_it() {
        let mut count = 0;
        let refused = Lines::new(9).cut(b"a\nb\nc\n", |(number, _)| {
            count += 1;
            if number == 2 { Err(()) } else { Ok(()) }
        });
        assert_eq!((refused, count), (Err(()), 2));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_cut(
            text in "[ab\n]{0,60}",
            piece_bytes in 1_usize..20,
        ) {
            let (mut lines, mut found) = (Lines::new(5), Found::new());
            for piece in text.as_bytes().chunks(piece_bytes) {
                cut(&mut lines, piece, &mut found);
            }
            let last = lines.last().map(|(number, line)| (number, Some(line)));
            found.extend(last);
            let mut expected: Vec<&str> = text.split('\n').collect();
            if expected.last() == Some(&"") {
                expected.pop();
            }
            let expected: Found = expected
                .iter()
                .zip(1..)
                .map(|(line, number)| (number, (line.len() <= 5).then(|| line.as_bytes().to_vec())))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
