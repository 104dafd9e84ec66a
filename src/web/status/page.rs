//! The page: one file without foreign resources. What it shows comes from the JSON, which its
//! script asks for and puts in as text only; without the script it says here, as of the moment
//! of the request, how the feeds stand.
//!
//! Its policy ([CSP](https://www.w3.org/TR/CSP3/)) lets in the page's own script and style, by a
//! number that differs each time, and nothing else; and it has the browser refuse text as markup
//! ([Trusted Types](https://www.w3.org/TR/trusted-types/)), whatever the script does.

use std::fmt::Write;

use super::document::{FeedDocument, StatusDocument};
use crate::telemetry::VERSION;

const PAGE: &str = include_str!("page.html");

/// A page, made for one request.
#[derive(Debug)]
pub struct Page {
    /// The document.
    pub html: String,
    /// Its `Content-Security-Policy`.
    pub policy: String,
}

impl Page {
    /// The page of an exporter that stands so and serves metrics at `metrics_path`.
    pub fn new(status: &StatusDocument, metrics_path: &str) -> Self {
        let nonce = format!("{:032x}", rand::random::<u128>());
        let mut feeds = String::new();
        for feed in &status.feeds {
            write_feed(&mut feeds, feed);
        }
        if feeds.is_empty() {
            feeds.push_str("<li>No producer yet.</li>");
        }
        let html = PAGE
            .replace("{{nonce}}", &nonce)
            .replace("{{version}}", VERSION)
            // Relative, so that the page works below a path of a proxy's.
            .replace("{{metrics}}", &escaped(metrics_path.trim_start_matches('/')))
            .replace("{{verdict}}", &escaped(&verdict(status)))
            // Last, as nothing in it is a place of the page's.
            .replace("{{feeds}}", &feeds);
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        Self { html, policy }
    }
}

/// What `/-/ready` says, in a sentence.
fn verdict(status: &StatusDocument) -> String {
    match &status.waiting_for {
        Some(waiting) if waiting.is_empty() => "Ready".to_owned(),
        Some(waiting) => format!("Waiting for the first snapshot of {}", waiting.join(", ")),
        None => "Waiting for the list of producers".to_owned(),
    }
}

fn write_feed(out: &mut String, feed: &FeedDocument) {
    let id = escaped(&feed.producer_id);
    let FeedDocument { state, data, rows, series, .. } = feed;
    let _ = write!(out, "<li>{id}: {state}, data {data}, {rows} rows, {series} series");
    if let Some(trouble) = &feed.trouble {
        let _ = write!(out, "; last trouble: {}", escaped(&trouble.words));
    }
    out.push_str("</li>");
}

/// Text as it stands in HTML, between tags or quotes
/// ([HTML](https://html.spec.whatwg.org/multipage/parsing.html#escapingString)).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not a place of the page's.
            '{' => out.push_str("&#123;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_neither_a_tag_nor_a_quote_and_names_no_place_of_the_page() {
        assert_eq!(
            escaped(r#"<img src=x onerror="a('&')">{{feeds}}"#),
            "&lt;img src=x onerror=&quot;a(&#39;&amp;&#39;)&quot;&gt;&#123;&#123;feeds}}"
        );
    }

    /// The relative luminance of `#rgb` or `#rrggbb`
    /// ([WCAG](https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)).
    fn luminance(colour: &str) -> f64 {
        let step = if colour.len() == 4 { 1 } else { 2 };
        let part = |index: usize| {
            let digits = &colour[1 + index * step..][..step];
            let part = f64::from(u8::from_str_radix(&digits.repeat(3 - step), 16).unwrap()) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.0722f64.mul_add(part(2), 0.2126f64.mul_add(part(0), 0.7152 * part(1)))
    }

    #[test]
    fn text_stands_out_in_light_and_dark() {
        let schemes: Vec<&str> =
            PAGE.split(":root {").skip(1).map(|rest| rest.split_once('}').unwrap().0).collect();
        assert_eq!(schemes.len(), 2);
        for scheme in schemes {
            let colour = |name: &str| {
                let (_, rest) = scheme.split_once(&format!("--{name}: ")).unwrap();
                luminance(rest.split_once(';').unwrap().0)
            };
            let own = ["ok", "warn", "bad", "idle"].map(|tone| (tone.to_owned(), format!("{tone}-ground")));
            let plain = ["text", "soft", "link"]
                .into_iter()
                .flat_map(|text| ["ground", "card"].map(|ground| (text.to_owned(), ground.to_owned())));
            for (text, ground) in plain.chain(own) {
                let (text_light, ground_light) = (colour(&text), colour(&ground));
                let contrast = (text_light.max(ground_light) + 0.05) / (text_light.min(ground_light) + 0.05);
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn every_place_of_the_page_is_known_and_nothing_in_it_is_foreign() {
        let places: Vec<&str> =
            PAGE.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0)).collect();
        for place in ["nonce", "version", "metrics", "verdict", "feeds"] {
            assert!(places.contains(&place), "{place}");
        }
        for place in places {
            assert!(["nonce", "version", "metrics", "verdict", "feeds"].contains(&place), "{place}");
        }
        for foreign in ["http:", "https:", "//", " onclick", " onload", "innerHTML", "style=\"", "eval("] {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
    }
}
