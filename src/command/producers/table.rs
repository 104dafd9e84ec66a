//! What AXP offers, as a table for people.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::offer::{Entry, Offer};

/// What the columns hold.
const HEADINGS: [&str; 5] = ["MEASURE", "TYPE", "KIND", "METRIC", "DESCRIPTION"];
/// Blanks between two columns.
const GAP: usize = 2;
/// A description that has less room beside the other columns gets a line of its own.
const DESCRIPTION_WIDTH_MIN: usize = 24;

/// A table for each producer; with a `width`, no description goes beyond it.
pub(super) fn render(offers: &[Offer], width: Option<usize>) -> String {
    let mut out = String::new();
    for offer in offers {
        if !out.is_empty() {
            out.push('\n');
        }
        head(offer, &mut out);
        if !offer.entries.is_empty() {
            out.push('\n');
            entries(&offer.entries, width, &mut out);
        }
    }
    out
}

/// What is to be said of the producer as a whole.
fn head(offer: &Offer, out: &mut String) {
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<9} {value}");
    };
    line("producer", &offer.id);
    line("stem", &offer.stem);
    match &offer.keys {
        None => line("keys", "not known, as its measures"),
        Some(keys) if keys.is_empty() => line("keys", "not told"),
        Some(keys) => line("keys", &keys.join("; or ")),
    }
    if !offer.subscribed {
        line("exported", "no: the configuration has [[producer]] blocks, but none with this id");
    }
}

fn entries(entries: &[Entry], width: Option<usize>, out: &mut String) {
    let rows: Vec<[String; 5]> = entries.iter().map(cells).collect();
    let headings = HEADINGS.map(str::to_owned);
    let mut widths = [0; HEADINGS.len() - 1];
    for row in rows.iter().chain([&headings]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let used: usize = widths.iter().map(|width| width + GAP).sum();
    for row in [&headings].into_iter().chain(&rows) {
        let [cells @ .., description] = row;
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + GAP - cell.width()));
        }
        match width {
            None => line.push_str(description),
            Some(width) if width >= used + DESCRIPTION_WIDTH_MIN => {
                line.push_str(&cut(description, width - used));
            }
            Some(width) if row != &headings => {
                line.truncate(line.trim_end().len());
                line.push_str("\n    ");
                line.push_str(&cut(description, width.saturating_sub(4)));
            }
            Some(_) => {}
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn cells(entry: &Entry) -> [String; 5] {
    let inactive = if entry.active { "" } else { " (inactive)" };
    let axp_type = format!("{}{inactive}", entry.axp_type.as_str());
    [entry.name.clone(), axp_type, entry.kind.clone(), entry.metric.clone(), entry.description.clone()]
}

/// As much of the text as so many columns of a terminal hold, ending in `…` if that is not all.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut cut = String::new();
    for character in text.chars() {
        let needed = character.width().unwrap_or_default();
        if needed > room {
            break;
        }
        room -= needed;
        cut.push(character);
    }
    cut.push('…');
    cut
}
