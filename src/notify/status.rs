//! How the exporter stands, in one line of `systemctl status`: how many feeds are up, what the
//! others do, and how many series there are.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::Notifier;
use crate::ingest::feeds::{FeedState, Feeds};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a feed may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// Most feeds that are named.
const NAMED_MAX: usize = 3;

/// Tells how these feeds stand each time that it has changed, for ever.
pub async fn tell(notifier: Notifier, feeds: Arc<Feeds>) {
    let mut told = String::new();
    loop {
        let states = join_all(feeds.list().into_iter().map(ask)).await;
        let text = line(&states, feeds.limits().series.taken());
        if text != told {
            notifier.status(&text);
            told = text;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A feed's producer, and what the feed does.
async fn ask(feed: Arc<FeedState>) -> (String, &'static str) {
    let state = match tokio::time::timeout(ASK_TIMEOUT, feed.ask()).await {
        Ok(Some(report)) if report.state == "up" && !report.snapshot_complete => "loading",
        Ok(Some(report)) => report.state,
        Ok(None) => "ended",
        Err(_) => "busy",
    };
    (feed.producer_id().to_owned(), state)
}

fn line(states: &[(String, &'static str)], series: usize) -> String {
    if states.is_empty() {
        return "no feed yet".to_owned();
    }
    let others: Vec<_> = states.iter().filter(|(_, state)| *state != "up").collect();
    let feeds = if states.len() == 1 { "feed" } else { "feeds" };
    let mut line = format!("{} of {} {feeds} up, {series} series", states.len() - others.len(), states.len());
    for (producer_id, state) in others.iter().take(NAMED_MAX) {
        let _ = write!(line, "; {producer_id} {state}");
    }
    if others.len() > NAMED_MAX {
        let _ = write!(line, "; {} more", others.len() - NAMED_MAX);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_feeds_and_series_and_names_some_that_are_not_up() {
        let of = |states: &[&'static str]| -> Vec<_> {
            (b'A'..).zip(states).map(|(name, state)| (char::from(name).to_string(), *state)).collect()
        };
        for (states, expected) in [
            (&[][..], "no feed yet"),
            (&["up"], "1 of 1 feed up, 7 series"),
            (&["up", "loading"], "1 of 2 feeds up, 7 series; B loading"),
            (
                &["off", "up", "busy", "waiting", "subscribing", "ended"],
                "1 of 6 feeds up, 7 series; A off; C busy; D waiting; 2 more",
            ),
        ] {
            assert_eq!(line(&of(states), 7), expected);
        }
    }
}
