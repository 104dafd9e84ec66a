//! What a reload makes of a feed: it pauses, and goes on with another pipeline.

use std::time::Instant;

use super::Feed;
use crate::ingest::renewal::{Pause, Renewal};
use crate::pipeline::Moment;

impl Feed {
    /// Pauses until there is something to go on with, or nothing to wait for.
    pub(super) async fn pause(&mut self, pause: Pause) {
        let Pause { paused, renewal } = pause;
        let since = Moment::now();
        if paused.send(self.parts.pipeline.measures().clone()).is_ok()
            && let Ok(renewal) = renewal.await
        {
            self.renew(renewal);
        }
        self.parts.pipeline.postpone(since.instant.elapsed(), since);
    }

    fn renew(&mut self, renewal: Renewal) {
        let Renewal { pipeline, api, dialer, allowed, settings, locale, anew } = renewal;
        let before = std::mem::replace(&mut self.parts.pipeline, pipeline);
        self.parts.pipeline.succeed(before);
        // A dictionary in another language is asked for with the next token.
        self.dictionary_asked &= self.parts.locale == locale;
        let parts = &mut self.parts;
        (parts.api, parts.dialer, parts.allowed) = (api, dialer, allowed);
        (parts.settings, parts.locale) = (settings, locale);
        self.session.renew(settings, anew, Instant::now());
    }
}
