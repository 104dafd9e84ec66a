//! The exporter's own metrics, as prometheus-client encodes them, put in order.
//!
//! It writes OpenMetrics only, the samples of a family in the order of a hash map, and HELP
//! before TYPE. Here its text is read line by line and written anew: families by name,
//! samples by labels, both the same at each scrape, since parsers remember where a series
//! was; and for the text format counters and info with their suffix in HELP and TYPE too.

use prometheus_client::registry::Registry;

use super::pages::Pages;
use super::{Format, write_head};
use crate::table::pick::Pick;

/// What the names of samples may add to that of their family.
const SUFFIXES: [&str; 5] = ["_total", "_info", "_bucket", "_sum", "_count"];

/// Appends the series of the registry and, in OpenMetrics, the end mark.
pub fn append(pages: &mut Pages<'_>, registry: &Registry, format: Format, pick: &Pick) {
    let mut text = String::new();
    // Writing into a String cannot fail; what an encoder of a metric refuses is left out.
    let _ = prometheus_client::encoding::text::encode_registry(&mut text, registry);
    for family in families(&text).iter().filter(|family| pick.wants(family.name, &SUFFIXES)) {
        family.write(&mut pages.page, format);
        pages.turn();
    }
    if format == Format::OpenMetrics {
        pages.page.extend_from_slice(b"# EOF\n");
    }
}

/// A family as prometheus-client wrote it.
struct Family<'t> {
    name: &'t str,
    help: &'t str,
    kind: &'t str,
    samples: Vec<&'t str>,
}

/// The families that have samples, by name, and their samples by labels.
fn families(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.push(Family { name, help, kind: "unknown", samples: Vec::new() });
        } else if let Some(family) = families.last_mut() {
            if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                family.kind = kind;
            } else if !line.starts_with('#') {
                family.samples.push(line);
            }
        }
    }
    families.retain(|family| !family.samples.is_empty());
    families.sort_by_key(|family| family.name);
    for family in &mut families {
        // The sort is stable: a histogram's samples keep their order.
        family.samples.sort_by_cached_key(|sample| labels_of(sample));
    }
    families
}

/// The labels of a sample without `le`: which metric of its family it belongs to.
fn labels_of(sample: &str) -> String {
    let labels = sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    let labels = labels.map_or("", |(labels, _)| labels);
    let is_bound = |label: &&str| label.starts_with("le=\"");
    // A comma within a value parts it too, always in the same way.
    labels.split(',').filter(|label| !is_bound(label)).collect::<Vec<_>>().join(",")
}

impl Family<'_> {
    fn write(&self, out: &mut Vec<u8>, format: Format) {
        let (suffix, kind) = match (format, self.kind) {
            (Format::Text, "counter") => ("_total", "counter"),
            (Format::Text, "info") => ("_info", "gauge"),
            (Format::Text, "unknown") => ("", "untyped"),
            (_, kind) => ("", kind),
        };
        write_head(out, &format!("{}{suffix}", self.name), kind, self.help, format);
        for sample in &self.samples {
            match sample.split_once('{').and_then(|(name, rest)| Some((name, rest.strip_prefix('}')?))) {
                // A family whose only series has no labels.
                Some((name, value)) => out.extend([name, value].concat().bytes()),
                None => out.extend_from_slice(sample.as_bytes()),
            }
            out.push(b'\n');
        }
    }
}
