//! Pages: an exposition as it is written, handed on piece by piece.

/// How long a page gets before it is handed on: enough to be worth a hand-over, few enough
/// to stay in the caches. It may be longer by the series of one row.
const PAGE_BYTES: usize = 64 << 10;

/// Takes a page that is full; what it leaves in there is the beginning of the next.
pub type TakePage<'t> = dyn FnMut(&mut Vec<u8>) + 't;

/// Pages that are written one after the other.
pub struct Pages<'t> {
    /// The page that is being written.
    pub page: Vec<u8>,
    page_bytes: usize,
    take: &'t mut TakePage<'t>,
}

impl std::fmt::Debug for Pages<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pages").field("page", &self.page.len()).finish_non_exhaustive()
    }
}

impl<'t> Pages<'t> {
    /// Pages that are handed on when they are full.
    pub fn new(take: &'t mut TakePage<'t>) -> Self {
        Self { page: Vec::with_capacity(PAGE_BYTES + PAGE_BYTES / 16), page_bytes: PAGE_BYTES, take }
    }

    /// One page, as long as it gets.
    pub fn whole(take: &'t mut TakePage<'t>) -> Self {
        Self { page: Vec::new(), page_bytes: usize::MAX, take }
    }

    /// Hands the page on if it is full. For the end of a line only: no page ends in mid-line.
    pub fn turn(&mut self) {
        if self.page.len() >= self.page_bytes {
            (self.take)(&mut self.page);
        }
    }

    /// Hands the last page on.
    pub fn finish(mut self) {
        (self.take)(&mut self.page);
    }
}
