//! Pages: an exposition as it is written, handed on piece by piece.

/// How long a page gets before it is handed on: enough to be worth a hand-over, few enough
/// to stay in the caches. It may be longer by the series of one row.
pub const PAGE_BYTES: usize = 64 << 10;

/// Takes a page that is full; what it leaves in there is the beginning of the next.
pub type TakePage<'t> = dyn FnMut(&mut Vec<u8>) + 't;

/// Pages that are written one after the other.
pub struct Pages<'t> {
    /// The page that is being written.
    pub page: Vec<u8>,
    /// How long it gets.
    page_bytes: usize,
    /// Who takes full ones; nobody where all is to be one page.
    take: Option<&'t mut TakePage<'t>>,
}

impl std::fmt::Debug for Pages<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pages").field("page", &self.page.len()).finish_non_exhaustive()
    }
}

impl<'t> Pages<'t> {
    /// Pages that are handed on when there are so many bytes on them.
    pub fn new(page_bytes: usize, take: &'t mut TakePage<'t>) -> Self {
        Self { page: Vec::with_capacity(page_bytes + page_bytes / 16), page_bytes, take: Some(take) }
    }

    /// One page, as long as it gets, that goes on behind what is in `page`.
    pub const fn whole(page: Vec<u8>) -> Self {
        Self { page, page_bytes: usize::MAX, take: None }
    }

    /// Hands the page on if it is full. For the end of a line only: no page ends in mid-line.
    pub fn turn(&mut self) {
        if self.page.len() >= self.page_bytes
            && let Some(take) = &mut self.take
        {
            take(&mut self.page);
        }
    }

    /// Hands the last page on, or gives it back where nobody takes pages.
    pub fn finish(mut self) -> Vec<u8> {
        if let Some(take) = &mut self.take {
            take(&mut self.page);
        }
        self.page
    }
}
