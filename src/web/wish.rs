//! What a scraper wishes for: what makes one rendering differ from another of the same moment.

use crate::sink::exposition::Format;
use crate::web::accept::{Coding, Dialect};

/// A format, whether its names are escaped, and a coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// How series are written down.
    pub format: Format,
    /// True where underscores are doubled.
    pub escapes_dots: bool,
    /// How the body is coded.
    pub coding: Coding,
}

impl Wish {
    /// How many wishes there are.
    pub const COUNT: usize = 8;

    /// What a scraper wishes that gets this dialect in this coding.
    pub const fn new(dialect: Dialect, coding: Coding) -> Self {
        Self { format: dialect.format(), escapes_dots: dialect.escapes_dots(), coding }
    }

    /// The wish's number, below [`Self::COUNT`].
    pub const fn index(self) -> usize {
        (self.format as usize) << 2 | (self.escapes_dots as usize) << 1 | self.coding as usize
    }
}
