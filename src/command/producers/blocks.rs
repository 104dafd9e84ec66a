//! What AXP offers, as `[[producer]]` blocks that a configuration takes.

use std::collections::HashSet;
use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::offer::{Entry, Offer};
use crate::config::Producer;
use crate::parse::name::snake_case;

/// The stem that is the program's own; a producer may not even begin with it.
const RESERVED_STEM: &str = "exporter";

const PREFACE: &str = "\
# What AXP offers, as [[producer]] blocks. As soon as there is one of them, only producers with a
# block are exported: delete those that are not wanted. allow names the measures to export; [] is all.
";

/// A block for each producer, with what it offers as comments.
///
/// Appended to the configuration whose producers are `configured`, they are no fault of it: a
/// producer that has its block is only described, and one whose metrics would be called as
/// another's gets a name.
pub(super) fn render(offers: &[Offer], configured: &[Producer]) -> String {
    let mut out = String::new();
    let mut stems: HashSet<String> = configured.iter().map(Producer::stem).collect();
    for offer in offers {
        let _ = write!(out, "{}", if out.is_empty() { PREFACE } else { "" });
        if offer.configured {
            let _ = writeln!(out, "\n# {} has its block already.", offer.id);
            comments(offer, &mut out);
            continue;
        }
        let _ = writeln!(out, "\n[[producer]]\nid = {}", quoted(&offer.id));
        let stem = free_stem(offer, &stems);
        if stem != offer.stem {
            let _ = writeln!(out, "# Its own name, {}, is taken.\nname = {}", offer.stem, quoted(&stem));
        }
        stems.insert(stem);
        comments(offer, &mut out);
        out.push_str("allow = []\n");
    }
    out
}

/// What the producer offers. A comment ends at the end of its line; the texts of an [`Offer`] have none.
fn comments(offer: &Offer, out: &mut String) {
    match &offer.keys {
        None => out.push_str("# AXP did not say what it measures.\n"),
        Some(keys) => {
            let keys = keys.iter().map(|keys| format!("# keys: {keys}\n"));
            out.extend(keys);
        }
    }
    let name_width = offer.entries.iter().map(|entry| entry.name.width()).max().unwrap_or_default();
    let axp_type = |entry: &Entry| {
        let inactive = if entry.active { "" } else { " (inactive)" };
        format!("{}{inactive}", entry.axp_type.as_str())
    };
    let type_width = offer.entries.iter().map(|entry| axp_type(entry).len()).max().unwrap_or_default();
    for entry in &offer.entries {
        let blanks = " ".repeat(name_width - entry.name.width());
        let line =
            format!("# {}{blanks}  {:<type_width$}  {}", entry.name, axp_type(entry), entry.description);
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// What the producer can be called beside the others.
fn free_stem(offer: &Offer, taken: &HashSet<String>) -> String {
    let is_free = |stem: &String| !stem.starts_with(RESERVED_STEM) && !taken.contains(stem);
    let with_version = snake_case(&offer.id);
    let numbered = (2..=taken.len() + 2).map(|number| format!("producer_{with_version}_{number}"));
    [offer.stem.clone(), with_version.clone(), format!("producer_{with_version}")]
        .into_iter()
        .chain(numbered)
        .find(is_free)
        .unwrap_or(with_version)
}

/// A basic string ([TOML 1.0](https://toml.io/en/v1.0.0#string)).
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            _ if character.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}
