//! Names escaped by the scheme `dots`, for scrapers that ask for it.
//!
//! Of the [schemes](https://prometheus.io/docs/instrumenting/escaping_schemes/) it is the
//! only one that changes names which were legal all along: it doubles underscores, so that
//! `_dot_` can stand for a dot. The name of a sample is escaped whole, `_total` and `_info`
//! included, as prometheus/common does; what a histogram adds to its name is not.
//!
//! One label keeps its name: `_name_`, which would become `__name__`, by which Prometheus knows the
//! metric itself, and it refuses the whole scrape then. No other name comes to what that stays.
//!
//! Nobody asks for it unless told to, so it is a second pass over finished pages.

use super::Format;

/// The label that is not escaped, as it would take the metric's name.
const KEPT_LABEL: &[u8] = b"_name_=";

/// Escapes an exposition page by page.
#[derive(Debug)]
pub struct Dots {
    format: Format,
    /// The histogram whose samples come, else empty.
    histogram: String,
    /// What OpenMetrics leaves away from the family's name: then its last `_` is doubled too.
    is_suffixed: bool,
}

impl Dots {
    /// For an exposition in this format, of which nothing has come yet.
    pub const fn new(format: Format) -> Self {
        Self { format, histogram: String::new(), is_suffixed: false }
    }

    /// The page with its names escaped; it has to end with a line.
    pub fn escape(&mut self, page: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(page.len() + page.len() / 8);
        for line in page.split_inclusive(|byte| *byte == b'\n') {
            if let Some(rest) = line.strip_prefix(b"# ") {
                self.escape_metadata(&mut out, rest);
            } else {
                self.escape_sample(&mut out, line);
            }
        }
        out
    }

    /// `TYPE name …`, without the `# ` before it.
    fn escape_metadata(&mut self, out: &mut Vec<u8>, line: &[u8]) {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(word), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
            out.extend_from_slice(b"# ");
            out.extend_from_slice(line);
            return;
        };
        if word == b"TYPE" {
            let kind = rest.trim_ascii_end();
            self.is_suffixed = self.format == Format::OpenMetrics && (kind == b"counter" || kind == b"info");
            let histogram: &[u8] = if kind == b"histogram" { name } else { b"" };
            self.histogram = String::from_utf8_lossy(histogram).into_owned();
        }
        if word == b"UNIT" && self.is_suffixed {
            // The name no longer ends in the unit, and then it may have none.
            return;
        }
        out.extend_from_slice(b"# ");
        out.extend_from_slice(word);
        out.push(b' ');
        escape_name(out, name);
        // In text HELP comes before TYPE, but there no family has left a suffix away.
        if self.is_suffixed {
            out.push(b'_');
        }
        out.push(b' ');
        out.extend_from_slice(rest);
    }

    fn escape_sample(&self, out: &mut Vec<u8>, line: &[u8]) {
        let end = line.iter().position(|byte| matches!(byte, b'{' | b' ')).unwrap_or(line.len());
        let (name, rest) = line.split_at_checked(end).unwrap_or((line, b""));
        match name.strip_prefix(self.histogram.as_bytes()) {
            Some(suffix) if !self.histogram.is_empty() => {
                escape_name(out, self.histogram.as_bytes());
                out.extend_from_slice(suffix);
            }
            _ => escape_name(out, name),
        }
        // Outside of quotes only names have underscores.
        let (mut is_quoted, mut is_escaped) = (false, false);
        let mut kept = 0..0;
        for (at, byte) in rest.iter().enumerate() {
            if matches!(byte, b'{' | b',') && !is_quoted {
                let name = rest.get(at + 1..).unwrap_or_default();
                let is_kept = name.starts_with(KEPT_LABEL);
                kept = at..at + if is_kept { KEPT_LABEL.len() } else { 0 };
            }
            if *byte == b'_' && !is_quoted && !(kept.start < at && at < kept.end) {
                out.push(b'_');
            }
            out.push(*byte);
            is_quoted ^= *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
        }
    }
}

fn escape_name(out: &mut Vec<u8>, name: &[u8]) {
    for byte in name {
        if *byte == b'_' {
            out.push(b'_');
        }
        out.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(format: Format, text: &str) -> String {
        String::from_utf8(Dots::new(format).escape(text.as_bytes())).unwrap()
    }

    #[test]
    fn names_of_metrics_and_labels_are_escaped_and_nothing_else() {
        let text =
            "# HELP a_b Help of a_b\n# TYPE a_b gauge\na_b{c_d=\"e_f\\\"_,g_h=\\\\\",i_=\"\"} 1\na_b 2\n";
        let expected = "# HELP a__b Help of a_b\n# TYPE a__b gauge\na__b{c__d=\"e_f\\\"_,g_h=\\\\\",i__=\"\"} 1\na__b 2\n";
        assert_eq!(escaped(Format::Text, text), expected);
    }

    #[test]
    fn no_label_comes_to_take_the_name_of_its_metric() {
        let text =
            "a{_name_=\"_name_=\",_name__=\"{_name_=\",a_name_=\",_name_=\"} 1\na{b=\"c\",_name_=\"d\"} 2\n";
        let expected = "a{_name_=\"_name_=\",__name____=\"{_name_=\",a__name__=\",_name_=\"} 1\na{b=\"c\",_name_=\"d\"} 2\n";
        assert_eq!(escaped(Format::Text, text), expected);
    }

    #[test]
    fn a_sample_has_the_same_name_in_both_formats() {
        let openmetrics = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds H\na_seconds_total 1\n# TYPE c info\nc_info 1\n# EOF\n";
        let expected = "# TYPE a__seconds_ counter\n# HELP a__seconds_ H\na__seconds__total 1\n# TYPE c_ info\nc__info 1\n# EOF\n";
        assert_eq!(escaped(Format::OpenMetrics, openmetrics), expected);
        let text = "# HELP a_b_total H\n# TYPE a_b_total counter\na_b_total 1\n";
        let expected = "# HELP a__b__total H\n# TYPE a__b__total counter\na__b__total 1\n";
        assert_eq!(escaped(Format::Text, text), expected);
    }

    #[test]
    fn what_a_histogram_adds_to_its_name_stays_over_any_number_of_pages() {
        let mut dots = Dots::new(Format::Text);
        let mut out = dots.escape(b"# TYPE a_b histogram\na_b_sum 1\n");
        out.extend(dots.escape(b"a_b_bucket{x_y=\"1\",le=\"+Inf\"} 1\n# TYPE a_b_c gauge\na_b_c 1\n"));
        let expected = "# TYPE a__b histogram\na__b_sum 1\na__b_bucket{x__y=\"1\",le=\"+Inf\"} 1\n# TYPE a__b__c gauge\na__b__c 1\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
