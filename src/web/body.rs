//! The body of an answer: a text, or the pages of a rendering that others may share.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::AbortHandle;
use hyper::body::{Bytes, Frame, SizeHint};

use crate::web::patient::Answering;
use crate::web::readers::Reader;
use crate::web::rendering::Rendering;

/// A body of known length. It is there as a whole before its first byte goes out; what may
/// still fail is the connection, and that ends then.
#[derive(Debug)]
pub struct Body {
    pages: Pages,
    left: u64,
    /// Who reads a rendering.
    reader: Option<Arc<Reader>>,
    /// The request that it answers, until the last page has been handed over, or nobody wants it.
    answering: Option<Answering>,
}

#[derive(Debug)]
enum Pages {
    One(Bytes),
    Many { rendering: Arc<Rendering>, next: usize },
    None,
}

impl Body {
    /// A rendering.
    pub fn rendered(rendering: Arc<Rendering>) -> Self {
        let (left, reader) = (rendering.bytes(), Some(rendering.enter()));
        Self { pages: Pages::Many { rendering, next: 0 }, left, reader, answering: None }
    }

    /// Says which request it answers.
    #[must_use]
    pub fn answering(mut self, answering: Answering) -> Self {
        self.answering = Some(answering);
        self
    }

    /// Says what carries it: that ends where whoever reads a rendering is cut off.
    #[must_use]
    pub fn carried_by(self, connection: &AbortHandle) -> Self {
        if let Some(reader) = &self.reader {
            reader.carried_by(connection);
        }
        self
    }

    fn next_page(&mut self) -> Option<Bytes> {
        match &mut self.pages {
            Pages::One(text) => Some(std::mem::take(text)).filter(|text| !text.is_empty()),
            Pages::Many { rendering, next } => loop {
                let page = rendering.page(*next)?;
                *next += 1;
                if !page.is_empty() {
                    break Some(page.clone());
                }
            },
            Pages::None => None,
        }
    }
}

impl From<Bytes> for Body {
    fn from(text: Bytes) -> Self {
        Self { left: text.len() as u64, pages: Pages::One(text), reader: None, answering: None }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        let page = body.next_page();
        let bytes = page.as_ref().map_or(0, |page| page.len() as u64);
        body.left = body.left.saturating_sub(bytes);
        if let Some(reader) = &body.reader {
            reader.take(bytes);
        }
        if body.left == 0 {
            (body.pages, body.reader) = (Pages::None, None);
        }
        Poll::Ready(page.map(|page| Ok(Frame::data(page))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
