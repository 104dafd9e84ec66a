//! Which format a scraper gets, by its `Accept` header.
//!
//! The rules are those of Prometheus'
//! [content negotiation](https://prometheus.io/docs/instrumenting/content_negotiation/):
//! the best `q` wins, the first of equals; what cannot be read is passed over; where
//! nothing fits, the text format 0.0.4 is the answer.

use crate::sink::exposition::Format;

/// The format for this `Accept` header.
pub fn negotiate(accept: &str) -> Format {
    let mut best = (Format::Text, 0.0);
    for element in accept.split(',') {
        if let Some((format, quality)) = read(element)
            && quality > best.1
        {
            best = (format, quality);
        }
    }
    best.0
}

/// One element: a format that we have, and how much it is wanted.
fn read(element: &str) -> Option<(Format, f64)> {
    let mut parts = element.split(';').map(str::trim);
    let media_type = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality) = (None, 1.0);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.trim().trim_matches('"')),
            "q" => quality = value.trim().parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q))?,
            _ => {}
        }
    }
    let format = match (media_type.as_str(), version) {
        ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => Format::OpenMetrics,
        ("text/plain", None | Some("0.0.4")) | ("*/*" | "text/*", _) => Format::Text,
        _ => return None,
    };
    Some((format, quality))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_best_wanted_format_that_we_have_is_given() {
        use Format::{OpenMetrics, Text};
        for (accept, format) in [
            ("", Text),
            ("*/*", Text),
            ("text/html", Text),
            ("text/plain", Text),
            ("text/plain;version=0.0.4", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text; version=1.0.0", OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.9", Text),
            ("application/openmetrics-text;q=0,text/plain;q=0.1", Text),
            (
                "text/plain;q=0.3, application/openmetrics-text;q=x, ;;, application/openmetrics-text;q=0.4",
                OpenMetrics,
            ),
            // Prometheus 2.42, then 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
        ] {
            assert_eq!(negotiate(accept), format, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(accept in "[a-z/*;,=q0-9. \"]{0,60}") {
            let _ = negotiate(&accept);
        }
    }
}
