//! An explanation for people: stage by stage, in the order in which an event meets them.

use std::collections::BTreeMap;
use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::explanation::{Explanation, RuleExplained};
use super::measure::{MeasureExplained, Outcome};
use super::paint::{Look, Paint};
use crate::label::labels::{Labels, clean_value};

/// Most bytes of a given value in the table.
const GIVEN_BYTES_MAX: usize = 40;
/// What the columns of the table hold.
const HEADINGS: [&str; 5] = ["MEASURE", "GIVEN", "KIND", "FROM", "BECOMES"];

/// Appends the explanation.
pub(super) fn render(explanation: &Explanation, paint: Paint, out: &mut String) {
    let mut page = Page { paint, out };
    page.head(explanation);
    page.measures(&explanation.measures);
    page.labels(explanation);
    page.hidden(explanation);
    page.heading("SERIES");
    page.each(&explanation.series, "none");
    page.heading("LINE");
    page.each(explanation.line.as_slice(), "none");
}

struct Page<'o> {
    paint: Paint,
    out: &'o mut String,
}

impl Page<'_> {
    fn head(&mut self, explanation: &Explanation) {
        let Explanation { event, producer, .. } = explanation;
        let upper = |word: Option<&str>| word.unwrap_or_default().to_ascii_uppercase();
        let mut about = format!("{}, {}", upper(event.action), upper(event.payload_type));
        for (word, id) in [("account", &event.account_id), ("source", &event.event_source_id)] {
            let _ = write!(about, ", {word} {}", id.as_deref().unwrap_or("not given"));
        }
        self.line("event", &about);
        let block = match (producer.block, producer.subscribed) {
            (true, _) => "as its [[producer]] block has it",
            (false, true) => "without a [[producer]] block, as by default",
            (false, false) => {
                "NOT EXPORTED: there are [[producer]] blocks, but none for it; below, as by default"
            }
        };
        self.line("producer", &format!("{}, called {}, {block}", producer.id, producer.stem));
        let configuration = explanation.configuration.as_deref();
        self.line("configuration", configuration.unwrap_or("none, all as by default"));
        if explanation.dictionary == "not_asked" {
            self.line(
                "dictionary",
                "not asked; what AXP says of a measure goes before the built-in table and the first value",
            );
        }
        let outcome = match explanation.outcome {
            "retires" => "retires the row of these keys, with all its series".to_owned(),
            outcome => match (explanation.reason, &explanation.words) {
                (Some(reason), Some(words)) => format!("{outcome}, {reason}: {words}"),
                _ => outcome.to_owned(),
            },
        };
        let look = if explanation.outcome == "refused" { Look::Refused } else { Look::Plain };
        let outcome = self.paint.of(look, &outcome);
        self.line("outcome", &outcome);
    }

    fn measures(&mut self, measures: &[MeasureExplained]) {
        self.heading("MEASURES");
        let rows: Vec<_> = measures.iter().map(|measure| (cells(measure), look(measure))).collect();
        if rows.is_empty() {
            return self.each(&[], "none");
        }
        let mut widths = [0; HEADINGS.len() - 1];
        let headings = HEADINGS.map(str::to_owned);
        for cells in rows.iter().map(|(cells, _)| cells).chain([&headings]) {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        for (cells, look) in [(headings, Look::Faint)].iter().chain(&rows) {
            let [cells @ .., last] = cells;
            let mut line = String::from("  ");
            for (cell, width) in cells.iter().zip(widths) {
                let _ = write!(line, "{cell}{:1$}", "", width - cell.width() + 2);
            }
            line.push_str(last);
            let line = self.paint.of(*look, line.trim_end());
            self.out.push_str(&line);
            self.out.push('\n');
        }
    }

    fn labels(&mut self, explanation: &Explanation) {
        self.heading("LABELS");
        for key in &explanation.keys {
            let given = key.given.as_deref().map_or("hidden".to_owned(), |given| format!("{given:?}"));
            self.line(&format!("  key {}", key.name), &format!("{given}, the label {}", key.label));
        }
        let labels = &explanation.labels;
        let set =
            |labels: &Option<BTreeMap<String, String>>| labels.as_ref().map_or("none".to_owned(), braced);
        self.line("  to begin with", &set(&labels.first));
        for rule in &labels.rules {
            self.rule(rule);
        }
        match labels.rules_count - labels.rules.len() {
            0 if labels.rules_count == 0 => self.line("  relabel", "no rules"),
            0 => {}
            left => self.line("  relabel", &format!("{left} more rules are not run")),
        }
        self.line("  in the end", &set(&labels.last));
    }

    fn rule(&mut self, rule: &RuleExplained) {
        let name = format!("  relabel[{}]", rule.index);
        let looks = match &rule.looked_at {
            Some(looked_at) => format!("looks at {looked_at:?}"),
            None => "looks at names".to_owned(),
        };
        let done = match (rule.drops, rule.before == rule.after) {
            (true, _) => "drops the row",
            (false, true) if rule.action.starts_with("keep") || rule.action.starts_with("drop") => {
                "keeps the row"
            }
            (false, true) => "changes nothing",
            (false, false) => "changes",
        };
        let target = rule.target_label.as_ref().map(|label| format!(" {label}")).unwrap_or_default();
        let regex = rule.regex.as_ref().map(|regex| format!(" with regex {regex:?}")).unwrap_or_default();
        let about = format!("{}{target}{regex}, {looks}: {done}", rule.action);
        let about = self.paint.of(if rule.drops { Look::Hidden } else { Look::Plain }, &about);
        self.line(&name, &about);
        if rule.before != rule.after {
            self.line("    before", &braced(&rule.before));
            self.line("    after", &braced(&rule.after));
        }
    }

    fn hidden(&mut self, explanation: &Explanation) {
        self.heading("HIDDEN AS PERSONAL");
        let lines: Vec<String> = explanation
            .hidden
            .iter()
            .map(|hidden| format!("{} {}, {}", hidden.what, hidden.name, hidden.how))
            .collect();
        self.each(&lines, "nothing");
    }

    fn heading(&mut self, text: &str) {
        let heading = self.paint.of(Look::Heading, text);
        let _ = writeln!(self.out, "\n{heading}");
    }

    fn line(&mut self, name: &str, text: &str) {
        let name = self.paint.of(Look::Faint, &format!("{name:<15}"));
        let _ = writeln!(self.out, "{name} {text}");
    }

    fn each(&mut self, lines: &[String], without: &str) {
        if lines.is_empty() {
            let _ = writeln!(self.out, "  {without}");
        }
        for line in lines {
            let _ = writeln!(self.out, "  {line}");
        }
    }
}

/// What stands in the table of one measure.
fn cells(measure: &MeasureExplained) -> [String; 5] {
    let given = match (&measure.given, measure.given_as) {
        (Some(given), "string") => format!("{:?}", clean_value(given, GIVEN_BYTES_MAX)),
        (Some(given), _) => clean_value(given, GIVEN_BYTES_MAX).into_owned(),
        (None, "null" | "object" | "no_text") => measure.given_as.replace('_', " "),
        (None, _) => "hidden".to_owned(),
    };
    let mut kind = measure.kind.unwrap_or("open").to_owned();
    if let Some(format) = measure.format {
        let _ = write!(kind, ", {format}");
    }
    if let Some(divisor) = measure.divided_by {
        let _ = write!(kind, ", ÷ {divisor}");
    }
    let from = measure.kind_from.unwrap_or_default().replace('_', " ");
    [measure.name.clone(), given, kind, from, becomes(measure)]
}

/// What becomes of a measure, with its name in `/metrics`.
fn becomes(measure: &MeasureExplained) -> String {
    let allowed = measure.glob.as_deref().filter(|_| measure.listed == "allowed");
    let allowed = allowed.map_or_else(String::new, |glob| format!(" (allow has {glob:?})"));
    outcome(measure) + &allowed
}

fn outcome(measure: &MeasureExplained) -> String {
    let value = measure.value.as_deref().unwrap_or_default();
    let because = |outcome: &str| format!("{outcome}: {}", measure.words.as_deref().unwrap_or_default());
    match measure.outcome {
        Outcome::Exported => match (&measure.metric, &measure.label) {
            (Some(metric), Some(label)) => format!("{metric}{{{label}={value:?}}}"),
            (Some(metric), None) if measure.kind == Some("state") => format!("{metric}{{state={value:?}}}"),
            (Some(metric), None) => format!("{metric} {value}"),
            (None, Some(label)) => format!("the label {label}={value:?} of all its series"),
            (None, None) => value.to_owned(),
        },
        Outcome::Absent => because("absent"),
        Outcome::Denied => because("denied"),
        Outcome::Dropped => because("dropped"),
        Outcome::Refused => because(&format!("refused, {}", measure.reason.unwrap_or_default())),
        Outcome::Ignored => "not looked at".to_owned(),
    }
}

const fn look(measure: &MeasureExplained) -> Look {
    match measure.outcome {
        Outcome::Exported => Look::Plain,
        Outcome::Absent | Outcome::Ignored => Look::Faint,
        Outcome::Denied | Outcome::Dropped => Look::Hidden,
        Outcome::Refused => Look::Refused,
    }
}

/// Labels as a series has them.
fn braced(labels: &BTreeMap<String, String>) -> String {
    let labels: Labels = labels.iter().map(|(name, value)| (name, value.as_str())).collect();
    let mut text = String::from("{");
    labels.write_text(&mut text);
    text.push('}');
    text
}
