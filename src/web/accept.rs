//! What a scraper gets, by its `Accept` and `Accept-Encoding` headers.
//!
//! The rules are those of Prometheus'
//! [content negotiation](https://prometheus.io/docs/instrumenting/content_negotiation/):
//! the best `q` wins, the first of equals; what cannot be read is passed over; where
//! nothing fits, the text format 0.0.4 is the answer. Codings follow
//! [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3), where a client may rule
//! out a body that is not coded.

use hyper::header::HeaderValue;

use crate::sink::exposition::Format;

/// How names are escaped that not every version of Prometheus can read. None here needs it;
/// see [`crate::sink::exposition::dots`] for the one scheme that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// Not at all.
    AllowUtf8,
    /// By underscores: what holds where a scraper says nothing.
    Underscores,
    /// Dots by `_dot_`, underscores doubled.
    Dots,
    /// By the codes of the characters.
    Values,
}

impl Escaping {
    /// The scheme of this name; both spellings of the first are in use.
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "allow-utf-8" | "allow-utf8" => Self::AllowUtf8,
            "underscores" => Self::Underscores,
            "dots" => Self::Dots,
            "values" => Self::Values,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

/// A format in one of its versions; from 1.0.0 on scrapers choose how names are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Text 0.0.4.
    Text0,
    /// Text 1.0.0.
    Text1(Escaping),
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
    /// OpenMetrics 1.0.0.
    OpenMetrics1(Escaping),
}

impl Dialect {
    /// The dialect for these `Accept` headers, joined by commas.
    pub fn negotiate(accept: &str) -> Self {
        best(accept, Self::read).unwrap_or(Self::Text0)
    }

    fn read(element: &Element<'_>) -> Option<Self> {
        let version = element.parameter("version");
        let escaping = || element.parameter("escaping").and_then(Escaping::named);
        let escaping = || escaping().unwrap_or(Escaping::Underscores);
        match (element.name.to_ascii_lowercase().as_str(), version) {
            ("application/openmetrics-text", None | Some("1.0.0")) => Some(Self::OpenMetrics1(escaping())),
            ("application/openmetrics-text", Some("0.0.1")) => Some(Self::OpenMetrics0),
            ("text/plain", Some("1.0.0")) => Some(Self::Text1(escaping())),
            ("text/plain", None | Some("0.0.4")) | ("*/*" | "text/*", _) => Some(Self::Text0),
            _ => None,
        }
    }

    /// How its series are written down.
    pub const fn format(self) -> Format {
        match self {
            Self::Text0 | Self::Text1(_) => Format::Text,
            Self::OpenMetrics0 | Self::OpenMetrics1(_) => Format::OpenMetrics,
        }
    }

    /// True where underscores are doubled.
    pub const fn escapes_dots(self) -> bool {
        matches!(self, Self::Text1(Escaping::Dots) | Self::OpenMetrics1(Escaping::Dots))
    }

    /// The `Content-Type` of an answer.
    pub fn content_type(self) -> HeaderValue {
        let (start, escaping) = match self {
            Self::Text0 => ("text/plain; version=0.0.4; charset=utf-8", None),
            Self::Text1(escaping) => ("text/plain; version=1.0.0; charset=utf-8", Some(escaping)),
            Self::OpenMetrics0 => ("application/openmetrics-text; version=0.0.1; charset=utf-8", None),
            Self::OpenMetrics1(escaping) => {
                ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(escaping))
            }
        };
        match escaping {
            None => HeaderValue::from_static(start),
            // Of letters and punctuation: it can be a header's value.
            Some(escaping) => HeaderValue::from_str(&format!("{start}; escaping={}", escaping.name()))
                .unwrap_or(HeaderValue::from_static(start)),
        }
    }
}

/// How the bytes of an answer are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As they are.
    Identity,
    /// By gzip.
    Gzip,
}

impl Coding {
    /// The coding for these `Accept-Encoding` headers, joined by commas; gzip where it is wanted
    /// no less than the plain body. None where neither is acceptable.
    pub fn negotiate(accept: &str) -> Option<Self> {
        let (mut gzip, mut identity, mut any) = (None, None, None);
        for element in accept.split(',').filter_map(Element::read) {
            let place = match element.name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => &mut gzip,
                "identity" => &mut identity,
                "*" => &mut any,
                _ => continue,
            };
            *place = Some(element.quality);
        }
        let gzip = gzip.or(any).unwrap_or(0.0);
        // A plain body is acceptable unless that is denied, and otherwise wanted least.
        let denied = identity.or(any) == Some(0.0);
        if gzip > 0.0 && gzip >= identity.unwrap_or(0.0) {
            Some(Self::Gzip)
        } else if denied {
            None
        } else {
            Some(Self::Identity)
        }
    }
}

/// What the best wanted of the elements means to `read`; the first of equals.
fn best<T>(header: &str, read: impl Fn(&Element<'_>) -> Option<T>) -> Option<T> {
    let mut best = (None, 0.0);
    for element in header.split(',').filter_map(Element::read) {
        if element.quality > best.1
            && let Some(meaning) = read(&element)
        {
            best = (Some(meaning), element.quality);
        }
    }
    best.0
}

/// One element of a header: a name, its parameters, and how much it is wanted.
struct Element<'h> {
    name: &'h str,
    parameters: &'h str,
    quality: f64,
}

impl<'h> Element<'h> {
    /// None where its quality is no number from 0 to 1.
    fn read(element: &'h str) -> Option<Self> {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        let mut element = Self { name: name.trim(), parameters, quality: 1.0 };
        if let Some(quality) = element.parameter("q") {
            element.quality = quality.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
        }
        Some(element)
    }

    fn parameter(&self, wanted: &str) -> Option<&'h str> {
        let pairs = self.parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| value.trim().trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT0: &str = "text/plain; version=0.0.4; charset=utf-8";
    const TEXT1: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=";
    const OPENMETRICS0: &str = "application/openmetrics-text; version=0.0.1; charset=utf-8";
    const OPENMETRICS1: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=";

    #[test]
    fn the_best_wanted_dialect_that_we_have_is_given() {
        for (accept, start, escaping) in [
            ("", TEXT0, ""),
            ("*/*", TEXT0, ""),
            ("text/html", TEXT0, ""),
            ("text/plain", TEXT0, ""),
            ("text/plain;version=0.0.4", TEXT0, ""),
            ("text/plain;version=0.0.4;escaping=dots", TEXT0, ""),
            ("text/plain;version=2.0.0", TEXT0, ""),
            ("text/plain;version=1.0.0", TEXT1, "underscores"),
            ("text/plain;version=1.0.0;escaping=allow-utf-8", TEXT1, "allow-utf-8"),
            ("text/plain;version=1.0.0;escaping=allow-utf8", TEXT1, "allow-utf-8"),
            ("text/plain;version=1.0.0;escaping=dots", TEXT1, "dots"),
            ("TEXT/Plain ; Version=\"1.0.0\" ; Escaping=Values", TEXT1, "values"),
            ("application/openmetrics-text", OPENMETRICS1, "underscores"),
            ("application/openmetrics-text; version=1.0.0", OPENMETRICS1, "underscores"),
            ("application/openmetrics-text;version=1.0.0;escaping=x", OPENMETRICS1, "underscores"),
            ("application/openmetrics-text;version=1.0.0;escaping=dots", OPENMETRICS1, "dots"),
            ("application/openmetrics-text;version=0.0.1;escaping=dots", OPENMETRICS0, ""),
            ("application/openmetrics-text;version=2.0.0", TEXT0, ""),
            (
                "application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=0.0.1;q=0.1",
                OPENMETRICS0,
                "",
            ),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.9", TEXT0, ""),
            ("application/openmetrics-text;q=0,text/plain;version=1.0.0;q=0.1", TEXT1, "underscores"),
            ("application/openmetrics-text;q=0", TEXT0, ""),
            (
                "text/plain;q=0.3, application/openmetrics-text;q=x, ;;, q=1, application/openmetrics-text;q=0.4",
                OPENMETRICS1,
                "underscores",
            ),
            (
                "application/openmetrics-text;q=1.1, application/openmetrics-text;q=-1, text/plain;q=NaN",
                TEXT0,
                "",
            ),
            // Prometheus 2.42, then 3, then with protobuf first.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OPENMETRICS1,
                "underscores",
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OPENMETRICS1,
                "allow-utf-8",
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,text/plain;version=1.0.0;escaping=values;q=0.4,/;q=0.1",
                TEXT1,
                "values",
            ),
        ] {
            let expected = format!("{start}{escaping}");
            assert_eq!(Dialect::negotiate(accept).content_type(), expected, "{accept}");
        }
    }

    #[test]
    fn gzip_is_given_where_it_is_wanted_and_neither_where_both_are_denied() {
        use Coding::{Gzip, Identity};
        for (accept, coding) in [
            ("", Some(Identity)),
            ("gzip", Some(Gzip)),
            ("X-GZIP", Some(Gzip)),
            ("identity", Some(Identity)),
            ("br, zstd", Some(Identity)),
            ("gzip, deflate, br", Some(Gzip)),
            ("gzip;q=0.5, identity;q=0.5", Some(Gzip)),
            ("gzip;q=0.4, identity;q=0.5", Some(Identity)),
            ("gzip;q=0", Some(Identity)),
            ("gzip;q=0.001", Some(Gzip)),
            ("*", Some(Gzip)),
            ("*;q=0.5, identity", Some(Identity)),
            ("gzip;q=0, *", Some(Identity)),
            ("gzip;q=x", Some(Identity)),
            ("gzip, identity;q=0", Some(Gzip)),
            ("gzip, *;q=0", Some(Gzip)),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("br, identity;q=0", None),
            ("identity;q=0.1, *;q=0", Some(Identity)),
        ] {
            assert_eq!(Coding::negotiate(accept), coding, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(accept in "[a-z/*;,=q0-9. \"]{0,60}|\\PC{0,40}") {
            let dialect = Dialect::negotiate(&accept);
            prop_assert!(dialect.content_type().to_str().is_ok());
            let _ = Coding::negotiate(&accept);
        }
    }
}
