//! A part of a body: pages as they are, or deflated.
//!
//! A gzip body is made of parts that were deflated each by itself: one ends at a byte and
//! refers to nothing in the one before, and their checksums can be combined. So the
//! measures are compressed once, and each scrape adds its own last part. The whole is one
//! gzip member ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)), which every client can
//! read; not all read several.

use flate2::{Compress, CompressError, Compression, Crc, FlushCompress, Status};
use hyper::body::Bytes;

use crate::sink::exposition::dots::Dots;
use crate::sink::exposition::pages::Pages;
use crate::web::accept::Coding;
use crate::web::wish::Wish;

/// Of a million series (122 MB) level 1 leaves a sixteenth in 80 ms, 2 a twenty-third in 95,
/// and from 4 on it takes more than 200 ms to leave as much.
const LEVEL: u32 = 2;
/// Fewest bytes of a deflated page: with room for six or less, zlib marks each part's end again and
/// again ([`Z_SYNC_FLUSH`](https://www.zlib.net/manual.html#Basic)).
const DEFLATED_BYTES_MIN: usize = 64;
/// Ten bytes: the magic, deflate, no flags, no time, no extreme level, no matter which system.
const HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// What comes before the first part.
pub fn head(coding: Coding) -> Bytes {
    match coding {
        Coding::Identity => Bytes::new(),
        Coding::Gzip => Bytes::from_static(HEAD),
    }
}

/// What comes behind the last one.
pub fn tail<'p>(coding: Coding, parts: impl IntoIterator<Item = &'p Part>) -> Bytes {
    match coding {
        Coding::Identity => Bytes::new(),
        Coding::Gzip => {
            let mut crc = Crc::new();
            parts.into_iter().for_each(|part| crc.combine(&part.crc));
            let words = [crc.sum(), crc.amount()];
            words.into_iter().flat_map(u32::to_le_bytes).collect()
        }
    }
}

/// A part that is finished.
#[derive(Debug, Default)]
pub struct Part {
    pages: Vec<Bytes>,
    /// Checksum and length of the plain text; of no use where it was not deflated.
    crc: Crc,
}

impl Part {
    /// What `write` writes, as the wish wants it escaped and coded, on pages of about
    /// `page_bytes`. Other parts follow unless `is_last`.
    ///
    /// # Errors
    /// Where it cannot be deflated.
    pub fn print(
        wish: Wish,
        page_bytes: usize,
        is_last: bool,
        blank: Blank,
        write: impl FnOnce(&mut Pages<'_>),
    ) -> Result<Self, CompressError> {
        let mut press = Press::new(wish.coding, page_bytes, blank);
        let mut dots = wish.escapes_dots.then(|| Dots::new(wish.format));
        let mut outcome = Ok(());
        let mut take = |page: &mut Vec<u8>| {
            if let Some(dots) = &mut dots {
                *page = dots.escape(page);
            }
            if outcome.is_ok() {
                outcome = press.take(page);
            }
            // Where it was not taken nobody will see it.
            page.clear();
        };
        let mut pages = Pages::new(page_bytes, &mut take);
        write(&mut pages);
        drop(pages.finish());
        outcome?;
        press.finish(is_last)
    }

    /// Its pages in their order, none of them empty.
    pub fn pages(&self) -> &[Bytes] {
        &self.pages
    }

    /// The memory of the pages that nobody else holds, to be written on anew.
    pub fn into_blank(self) -> Blank {
        let blank = |page: Bytes| {
            let mut page = page.try_into_mut().ok()?;
            // An empty one is not moved to the front of its memory.
            page.clear();
            Some(Vec::from(page))
        };
        Blank(self.pages.into_iter().filter_map(blank).collect())
    }
}

/// Pages to write on. The system hands out memory page by page, each of them wiped, which takes
/// it longer than it takes us to fill them.
#[derive(Debug, Default)]
pub struct Blank(Vec<Vec<u8>>);

impl Blank {
    /// An empty page with room for so many bytes at least.
    fn page(&mut self, bytes: usize) -> Vec<u8> {
        self.0.pop().filter(|page| page.capacity() >= bytes).unwrap_or_else(|| Vec::with_capacity(bytes))
    }
}

/// Takes pages and makes a part of them.
#[derive(Debug)]
pub struct Press {
    part: Part,
    deflater: Option<Compress>,
    page: Vec<u8>,
    /// Bytes of a deflated page.
    page_bytes: usize,
    blank: Blank,
}

impl Press {
    /// A press for this coding, whose deflated pages are of so many bytes, 64 at least, and which
    /// takes blank ones first.
    pub fn new(coding: Coding, page_bytes: usize, blank: Blank) -> Self {
        let deflater = (coding == Coding::Gzip).then(|| Compress::new(Compression::new(LEVEL), false));
        let page_bytes = page_bytes.max(DEFLATED_BYTES_MIN);
        Self { part: Part::default(), deflater, page: Vec::new(), page_bytes, blank }
    }

    /// Takes a page; leaves it empty.
    ///
    /// # Errors
    /// When the page cannot be deflated; the part is of no use then.
    pub fn take(&mut self, page: &mut Vec<u8>) -> Result<(), CompressError> {
        if self.deflater.is_some() {
            self.part.crc.update(page);
            self.deflate(page, FlushCompress::None)?;
            page.clear();
        } else {
            let next = self.blank.page(page.capacity());
            self.part.push(std::mem::replace(page, next));
        }
        Ok(())
    }

    /// The part, behind which others follow unless `is_last`.
    ///
    /// # Errors
    /// When the rest cannot be deflated.
    pub fn finish(mut self, is_last: bool) -> Result<Part, CompressError> {
        self.deflate(&[], if is_last { FlushCompress::Finish } else { FlushCompress::Sync })?;
        self.part.push(self.page);
        Ok(self.part)
    }

    fn deflate(&mut self, mut input: &[u8], flush: FlushCompress) -> Result<(), CompressError> {
        let Some(deflater) = &mut self.deflater else { return Ok(()) };
        loop {
            if self.page.len() == self.page.capacity() {
                let full = std::mem::replace(&mut self.page, self.blank.page(self.page_bytes));
                self.part.push(full);
            }
            let before = deflater.total_in();
            let status = deflater.compress_vec(input, &mut self.page, flush)?;
            let read = usize::try_from(deflater.total_in() - before).unwrap_or(usize::MAX);
            input = input.get(read..).unwrap_or_default();
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                // With room left in the page nothing waits to be written any more.
                _ => self.page.len() < self.page.capacity(),
            };
            if input.is_empty() && is_done {
                return Ok(());
            }
        }
    }
}

impl Part {
    fn push(&mut self, page: Vec<u8>) {
        if !page.is_empty() {
            self.pages.push(Bytes::from(page));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;
    use crate::sink::exposition::pages::PAGE_BYTES;

    fn body(coding: Coding, parts: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let finished: Vec<Part> = parts
            .iter()
            .enumerate()
            .map(|(index, pages)| {
                let mut press = Press::new(coding, PAGE_BYTES, Blank::default());
                for page in pages {
                    press.take(&mut page.clone()).unwrap();
                }
                press.finish(index + 1 == parts.len()).unwrap()
            })
            .collect();
        let pages = finished.iter().flat_map(Part::pages).flat_map(|page| page.iter().copied());
        head(coding).into_iter().chain(pages).chain(tail(coding, &finished)).collect()
    }

    fn inflated(body: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        // One member only, and its checksum and length are compared.
        let mut decoder = GzDecoder::new(body);
        decoder.read_to_end(&mut plain).unwrap();
        assert!(decoder.into_inner().is_empty(), "nothing follows the member");
        plain
    }

    #[test]
    fn parts_that_do_not_compress_take_more_pages_than_they_came_in() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let pages: Vec<Vec<u8>> = (0..5).map(|_| (0..100_000).map(|_| noise()).collect()).collect();
        assert_eq!(inflated(&body(Coding::Gzip, &[pages.clone(), vec![]])), pages.concat());
    }

    #[test]
    fn pages_that_nobody_reads_any_more_are_written_on_anew() {
        let mut press = Press::new(Coding::Identity, PAGE_BYTES, Blank::default());
        let mut page = Vec::new();
        for text in [b"read", b"free"] {
            page.extend_from_slice(text);
            press.take(&mut page).unwrap();
        }
        let part = press.finish(false).unwrap();
        let (read, free) = (part.pages()[0].clone(), part.pages()[1].as_ptr());
        let blank = part.into_blank();
        assert_eq!(blank.0.iter().map(|page| (page.as_ptr(), page.len())).collect::<Vec<_>>(), [(free, 0)]);
        let mut press = Press::new(Coding::Identity, PAGE_BYTES, blank);
        let mut page = b"new".to_vec();
        press.take(&mut page).unwrap();
        assert_eq!((page.as_ptr(), page.len()), (free, 0), "what is left to write on");
        assert_eq!(*read, *b"read");
    }

    proptest! {
        #[test]
        fn whatever_the_parts_the_body_is_one_member_that_gives_them_back(
            parts in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4), 1..4),
        ) {
            let plain = body(Coding::Identity, &parts);
            prop_assert_eq!(&plain, &parts.concat().concat());
            prop_assert_eq!(inflated(&body(Coding::Gzip, &parts)), plain);
        }
    }
}
