//! A strict reader of both exposition formats, for tests and the fuzz targets. It shares no
//! line with the exporter and knows what no scraper should have to forgive:
//! [text](https://prometheus.io/docs/instrumenting/exposition_formats/),
//! [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/).
//!
//! Beyond the formats it demands what this exporter promises: finite values, no timestamps,
//! labels sorted and none empty, no control characters, metadata for each family.

use std::collections::{BTreeMap, BTreeSet};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Syntax {
    /// Prometheus text.
    #[default]
    Text,
    /// OpenMetrics.
    OpenMetrics,
}

/// Names and values of labels.
pub(crate) type Labels = Vec<(String, String)>;
/// A sample's name and labels.
pub(crate) type Name = (String, Labels);
/// All samples of a body with their values.
pub(crate) type Series = BTreeMap<Name, f64>;

type Outcome<T> = Result<T, String>;

/// Reads a whole body; says what is wrong with it.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn read(syntax: Syntax, body: &str) -> Outcome<Series> {
    let mut reader = Reader { syntax, ..Reader::default() };
    let lines = match (syntax, body) {
        (Syntax::Text, body) => body,
        (Syntax::OpenMetrics, body) => body.strip_suffix("# EOF\n").ok_or("no end mark")?,
    };
    if !lines.is_empty() {
        let lines = lines.strip_suffix('\n').ok_or("the last line does not end")?;
        for line in lines.split('\n') {
            reader.line(line).map_err(|what| format!("{what}: {line}"))?;
        }
    }
    reader.end_family()?;
    Ok(reader.series)
}

#[derive(Default)]
struct Reader {
    syntax: Syntax,
    family: Option<Family>,
    families: BTreeSet<String>,
    /// Which family may have samples of which name.
    claims: BTreeMap<String, String>,
    series: Series,
}

/// Bounds and counts of the buckets, and what the whole counts.
type Histogram = (Vec<(f64, f64)>, Vec<f64>);

/// The family whose lines come.
struct Family {
    name: String,
    kind: String,
    /// TYPE, UNIT and HELP as they came.
    metadata: Vec<String>,
    samples: Vec<(Name, f64)>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Outcome<()> {
        ensure(!line.is_empty(), "an empty line")?;
        ensure(!line.contains(char::is_control), "a control character")?;
        match line.strip_prefix('#') {
            Some(rest) => {
                let mut words = rest.strip_prefix(' ').ok_or("a comment")?.splitn(3, ' ');
                let (Some(word), Some(name), Some(text)) = (words.next(), words.next(), words.next()) else {
                    return Err("metadata of less than three words".to_owned());
                };
                self.metadata(word, name, text)
            }
            None => self.sample(line),
        }
    }

    fn metadata(&mut self, word: &str, name: &str, text: &str) -> Outcome<()> {
        let order: &[&str] = match self.syntax {
            Syntax::Text => &["HELP", "TYPE"],
            Syntax::OpenMetrics => &["TYPE", "UNIT", "HELP"],
        };
        let place = order.iter().position(|known| *known == word).ok_or("unknown metadata")?;
        if self.family.as_ref().is_none_or(|family| family.name != name) {
            self.end_family()?;
            check_name(name, true)?;
            ensure(self.families.insert(name.to_owned()), "a family comes twice")?;
            let (name, kind) = (name.to_owned(), String::new());
            self.family = Some(Family { name, kind, metadata: Vec::new(), samples: Vec::new() });
        }
        let family = self.family.as_mut().ok_or("no family")?;
        ensure(family.samples.is_empty(), "metadata behind samples")?;
        let is_later = |before: &String| order.iter().position(|known| known == before) < Some(place);
        ensure(family.metadata.iter().all(is_later), "metadata twice or out of order")?;
        family.metadata.push(word.to_owned());
        match word {
            "TYPE" => {
                text.clone_into(&mut family.kind);
                self.claim()
            }
            "UNIT" => {
                ensure(family.name.ends_with(&format!("_{text}")), "the name does not end in the unit")?;
                ensure(family.kind != "info", "an info family with a unit")
            }
            _ => {
                ensure(!text.is_empty(), "help without text")?;
                let (_, rest) = unescape(text, self.syntax == Syntax::OpenMetrics, None)?;
                ensure(rest.is_empty(), "help goes on")
            }
        }
    }

    /// The names of samples that this family may have, which no other family may.
    fn claim(&mut self) -> Outcome<()> {
        let Some(family) = &self.family else { return Ok(()) };
        let mut suffixes = suffixes(self.syntax, &family.kind)?.to_vec();
        match &*family.kind {
            "info" if self.syntax == Syntax::OpenMetrics => suffixes.push(""),
            "counter" | "histogram" if self.syntax == Syntax::OpenMetrics => {
                suffixes.extend(["", "_created"]);
            }
            _ => {}
        }
        for suffix in suffixes {
            let name = format!("{}{suffix}", family.name);
            if let Some(other) = self.claims.insert(name, family.name.clone()) {
                return Err(format!("{} clashes with {other}", family.name));
            }
        }
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Outcome<()> {
        let (name, rest) = line.split_at(line.find(['{', ' ']).ok_or("no value")?);
        check_name(name, true)?;
        let (labels, rest) = read_labels(rest)?;
        let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
        let digits = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        ensure(value.bytes().all(digits), "no number, or something behind it")?;
        let value: f64 = value.parse().map_err(|_| "no number")?;
        ensure(value.is_finite(), "not finite")?;
        let family = self.family.as_mut().ok_or("no family")?;
        let suffix = name.strip_prefix(&*family.name).ok_or("a sample of another family")?;
        ensure(suffixes(self.syntax, &family.kind)?.contains(&suffix), "a suffix that the type has not")?;
        match &*family.kind {
            "info" => ensure((value - 1.0).abs() < f64::EPSILON, "an info that is not 1")?,
            "counter" => ensure(value >= 0.0, "a counter below 0")?,
            _ => {}
        }
        let name = (name.to_owned(), labels);
        family.samples.push((name.clone(), value));
        ensure(self.series.insert(name, value).is_none(), "a series comes twice")
    }

    fn end_family(&mut self) -> Outcome<()> {
        let Some(family) = self.family.take() else { return Ok(()) };
        let has = |word: &str| family.metadata.iter().any(|known| known == word);
        ensure(has("TYPE") && has("HELP"), format!("{} lacks metadata", family.name))?;
        ensure(!family.samples.is_empty(), format!("{} has no samples", family.name))?;
        if family.kind == "histogram" { family.check_histogram() } else { Ok(()) }
    }
}

impl Family {
    /// Of each metric: the bounds and counts rise, the last bound is infinite and counts all.
    fn check_histogram(&self) -> Outcome<()> {
        let mut metrics: BTreeMap<Labels, Histogram> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            let mut labels = labels.clone();
            let bound = labels.iter().position(|(name, _)| name == "le").map(|at| labels.remove(at).1);
            let metric = metrics.entry(labels).or_default();
            match (name.strip_prefix(&*self.name), bound) {
                (Some("_bucket"), Some(bound)) => {
                    metric.0.push((bound.parse().map_err(|_| "a bound that is no number")?, *value));
                }
                (Some("_bucket"), None) => return Err("a bucket without bound".to_owned()),
                (Some("_count"), None) => metric.1.push(*value),
                _ => {}
            }
        }
        for (buckets, counts) in metrics.values() {
            ensure(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "buckets that do not rise")?;
            let last = buckets.last().ok_or("a histogram without buckets")?;
            ensure(
                last.0 == f64::INFINITY && counts[..] == [last.1],
                "a count that is not the last bucket's",
            )?;
        }
        Ok(())
    }
}

/// What the names of samples may add to that of their family.
fn suffixes(syntax: Syntax, kind: &str) -> Outcome<&'static [&'static str]> {
    Ok(match (syntax, kind) {
        (_, "gauge") | (Syntax::Text, "counter" | "untyped") | (Syntax::OpenMetrics, "unknown") => &[""],
        (Syntax::OpenMetrics, "counter") => &["_total"],
        (Syntax::OpenMetrics, "info") => &["_info"],
        (_, "histogram") => &["_bucket", "_sum", "_count"],
        _ => return Err(format!("a type {kind:?}")),
    })
}

/// `{a="…",b="…"}` or nothing, and what follows.
fn read_labels(mut text: &str) -> Outcome<(Vec<(String, String)>, &str)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    if !text.starts_with('{') {
        return Ok((labels, text));
    }
    loop {
        let start = if labels.is_empty() { '{' } else { ',' };
        let (name, rest) =
            text.strip_prefix(start).and_then(|rest| rest.split_once("=\"")).ok_or("no label")?;
        check_name(name, false)?;
        ensure(name != "__name__", "a label in the place of the metric's name")?;
        let (value, rest) = unescape(rest, true, Some('"'))?;
        ensure(!value.is_empty(), "a label without a value is none")?;
        labels.push((name.to_owned(), value));
        if let Some(rest) = rest.strip_prefix('}') {
            // `le` comes where a library puts it.
            let names: Vec<_> = labels.iter().map(|(name, _)| name).filter(|name| *name != "le").collect();
            let unique: BTreeSet<_> = names.iter().collect();
            ensure(unique.len() == names.len(), "a label twice")?;
            return Ok((labels, rest));
        }
        text = rest;
    }
}

/// A text up to `end`, or to its end, without escapes; and what follows.
fn unescape(text: &str, quotes: bool, end: Option<char>) -> Outcome<(String, &str)> {
    let mut plain = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => plain.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, '\\')) => '\\',
                Some((_, '"')) if quotes => '"',
                _ => return Err("an unknown escape".to_owned()),
            }),
            '"' if end == Some('"') => return Ok((plain, &text[at + 1..])),
            '"' if quotes => return Err("a quote that is not escaped".to_owned()),
            other => plain.push(other),
        }
    }
    if end.is_some() { Err("a text that does not end".to_owned()) } else { Ok((plain, "")) }
}

fn check_name(name: &str, is_metric: bool) -> Outcome<()> {
    let is_legal = |(index, byte): (usize, u8)| {
        byte.is_ascii_alphabetic()
            || byte == b'_'
            || (byte == b':' && is_metric)
            || (byte.is_ascii_digit() && index > 0)
    };
    ensure(!name.is_empty() && name.bytes().enumerate().all(is_legal), "not a legal name")
}

fn ensure(holds: bool, what: impl Into<String>) -> Outcome<()> {
    if holds { Ok(()) } else { Err(what.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_noticed() {
        let good = "# HELP a A\n# TYPE a gauge\na{b=\"c\\\\\\\"\\n\"} 1\na 2e5\n";
        assert_eq!(read(Syntax::Text, good).unwrap().len(), 2);
        for bad in [
            "# HELP a A\n# TYPE a gauge\na 1",
            "# HELP a A\n# TYPE a gauge\na 1\n\n",
            "# HELP a A\n# TYPE a gauge\n",
            "# HELP a A\n# TYPE a gauge\na 1\na 2\n",
            "# HELP a A\n# TYPE a gauge\na{b=\"c\",b=\"d\"} 1\n",
            "# HELP a A\n# TYPE a gauge\na{b=\"\"} 1\n",
            "# HELP a A\n# TYPE a gauge\na{__name__=\"b\"} 1\n",
            "# HELP a A\n# TYPE a gauge\na{b=\"c\"\"} 1\n",
            "# HELP a A\n# TYPE a gauge\na{b=\"\\x\"} 1\n",
            "# HELP a A\n# TYPE a gauge\na{b=\"c\td\"} 1\n",
            "# HELP a A\n# TYPE a gauge\na NaN\n",
            "# HELP a A\n# TYPE a gauge\na 1 5\n",
            "# HELP a A\n# TYPE a gauge\nab 1\n",
            "# HELP a A\n# TYPE a gauge\nb 1\n",
            "# TYPE a gauge\n# HELP a A\na 1\n",
            "# TYPE a gauge\na 1\n",
            "# HELP a A\n# TYPE a gauge\na 1\n# HELP a A\n",
            "# HELP a A\n# TYPE a stateset\na 1\n",
            "# HELP 1a A\n# TYPE 1a gauge\n1a 1\n",
            "# EOF\n",
            "# HELP a A\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\n",
            "# HELP a A\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_count 1\na_sum 1\n",
        ] {
            assert!(read(Syntax::Text, bad).is_err(), "{bad}");
        }
        let good = "# TYPE a_s info\n# HELP a_s \\\"A\\\"\na_s_info{b=\"c\"} 1\n# TYPE b counter\n# HELP b B\nb_total 1\n# EOF\n";
        assert_eq!(read(Syntax::OpenMetrics, good).unwrap().len(), 2);
        for bad in [
            "",
            "# EOF",
            "# EOF\n# EOF\n",
            "# TYPE a_s info\n# UNIT a_s s\n# HELP a_s A\na_s_info 1\n# EOF\n",
            "# TYPE a_s gauge\n# UNIT a_s m\n# HELP a_s A\na_s 1\n# EOF\n",
            "# TYPE a gauge\n# HELP a \"A\"\na 1\n# EOF\n",
            "# TYPE a info\n# HELP a A\na_info 2\n# EOF\n",
            "# TYPE a counter\n# HELP a A\na 2\n# EOF\n",
            "# TYPE a info\n# HELP a A\na_info 1\n# TYPE a_info gauge\n# HELP a_info A\na_info{b=\"c\"} 1\n# EOF\n",
            "# TYPE a gauge\n# HELP a A\na 1\n# TYPE a info\n# HELP a A\na_info 1\n# EOF\n",
        ] {
            assert!(read(Syntax::OpenMetrics, bad).is_err(), "{bad}");
        }
    }
}
