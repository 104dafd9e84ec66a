//! A label set, and what text from outside goes through before it is a label value.
//!
//! The set is sorted by name and holds every name once, so that two rows with the same labels
//! print the same bytes and Prometheus' parser meets the same order on each scrape. An empty
//! value is the same as no label ([OpenMetrics]), so an empty value is never stored.
//!
//! Fed nonsense: [`clean_value`] makes any text printable in both outputs. Names are not checked
//! here; they come from [`is_valid_name`]'s callers, the snake-casing of keys and the relabel
//! rules.
//!
//! [OpenMetrics]: https://prometheus.io/docs/specs/om/open_metrics_spec/#label

use std::borrow::Cow;

/// What a cut value ends with, so that a reader sees that it was cut.
const ELLIPSIS: char = '…';

/// A set of labels, sorted by name, names unique, no value empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels {
    /// Sorted by the first half. A vector, because sets are small and are walked far more often
    /// than they are searched.
    pairs: Vec<(String, String)>,
}

impl Labels {
    /// The empty set.
    pub const fn new() -> Self {
        Self { pairs: Vec::new() }
    }

    /// The value of `name`; `""` where there is none, as in Prometheus.
    pub fn get(&self, name: &str) -> &str {
        self.position(name).ok().and_then(|at| self.pairs.get(at)).map_or("", |(_, value)| value.as_str())
    }

    /// Sets `name` to `value`, replacing what was there; an empty value removes the label.
    ///
    /// Neither half is checked: see [`is_valid_name`] and [`clean_value`].
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match (self.position(name), value.is_empty()) {
            (Ok(at), true) => {
                self.pairs.remove(at);
            }
            (Ok(at), false) => {
                if let Some((_, old)) = self.pairs.get_mut(at) {
                    *old = value;
                }
            }
            (Err(_), true) => {}
            (Err(at), false) => self.pairs.insert(at, (name.to_owned(), value)),
        }
    }

    /// Whether there is a label `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Removes the labels whose name `keep` says no to.
    pub fn retain_names(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.pairs.retain(|(name, _)| keep(name));
    }

    /// Gives back the memory of labels that were removed: a row keeps its labels for life.
    pub fn shrink_to_fit(&mut self) {
        self.pairs.shrink_to_fit();
    }

    /// Removes the labels whose name starts with `__`: rules may read and write them, [series
    /// never carry them][internal].
    ///
    /// [internal]: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config
    pub fn drop_internal(&mut self) {
        self.retain_names(|name| !name.starts_with("__"));
    }

    /// Appends `a="1",b="2"`, sorted by name, without braces; nothing for the empty set.
    pub fn write_text(&self, out: &mut String) {
        write_pairs(out, self.iter());
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }
}

/// Collects pairs in any order; of a name given twice the last value stays.
impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut labels = Self::new();
        for (name, value) in pairs {
            labels.set(name.as_ref(), value);
        }
        labels
    }
}

/// Appends `a="1",b="2"`: labels as both formats have them between the braces of a series.
pub fn write_pairs<'p>(out: &mut String, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) {
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        write_escaped_value(out, value);
        out.push('"');
    }
}

/// Appends a label value as it stands between its quotes: `\`, `"` and LF are escaped and nothing
/// else, which is what the [text format] and OpenMetrics share.
///
/// [text format]: https://prometheus.io/docs/instrumenting/exposition_formats/#comments-help-text-and-type-information
fn write_escaped_value(out: &mut String, value: &str) {
    if !value.contains(['\\', '"', '\n']) {
        out.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '\\' => out.push_str(r"\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str(r"\n"),
            other => out.push(other),
        }
    }
}

/// Makes text from outside fit to be a label value: in `/metrics`, in line protocol and on a
/// wallboard it is then the same text, and it cannot end a line, move a cursor or turn the text
/// after it around.
///
/// Each of these becomes one space:
/// - the control characters: C0 with LF, CR, NUL and ESC, DEL, and C1. LF could be escaped in
///   `/metrics`, but [line protocol] cannot carry it in a tag; OpenMetrics forbids a bare CR. A
///   space rather than `\n` in two characters, because that would read as an escape again.
/// - U+2028 and U+2029, which many viewers break lines at.
/// - the bidirectional embeddings, overrides and isolates U+202A to U+202E and U+2066 to U+2069,
///   which can make one agent's name look like another's ([UAX #9]). The plain marks U+200E,
///   U+200F and U+061C stay, since Hebrew and Arabic names need them.
///
/// Nothing is trimmed or joined, so the number of characters stays. A value longer than
/// `bytes_max` is cut between two characters and ends in `…`, counted within the limit; with a
/// limit below the three bytes of `…` it is cut without one.
///
/// [line protocol]: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
/// [UAX #9]: https://www.unicode.org/reports/tr9/#Explicit_Directional_Embeddings
pub fn clean_value(value: &str, bytes_max: usize) -> Cow<'_, str> {
    let fits = value.len() <= bytes_max;
    if fits && value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(value);
    }
    if fits && !value.contains(is_unprintable) {
        return Cow::Borrowed(value);
    }
    let mut cleaned = String::with_capacity(value.len().min(bytes_max));
    for character in value.chars() {
        let printable = if is_unprintable(character) { ' ' } else { character };
        if cleaned.len() + printable.len_utf8() > bytes_max {
            end_in_ellipsis(&mut cleaned, bytes_max);
            break;
        }
        cleaned.push(printable);
    }
    Cow::Owned(cleaned)
}

/// Whether `name` matches `[a-zA-Z_][a-zA-Z0-9_]*`, the names that [every version of Prometheus]
/// and every output takes without quotes.
///
/// [every version of Prometheus]: https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
pub fn is_valid_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        )
}

/// Makes room for the ellipsis, at most three characters' worth, and appends it.
fn end_in_ellipsis(text: &mut String, bytes_max: usize) {
    let Some(room) = bytes_max.checked_sub(ELLIPSIS.len_utf8()) else {
        return;
    };
    while text.len() > room {
        text.pop();
    }
    text.push(ELLIPSIS);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_of(labels: &Labels) -> String {
        let mut out = String::new();
        labels.write_text(&mut out);
        out
    }

    #[test]
    fn labels_come_out_sorted_whatever_order_they_went_in() {
        let labels: Labels =
            [("queue_id", "7"), ("account_id", "ABCDEF"), ("media", "v")].into_iter().collect();
        assert_eq!(text_of(&labels), r#"account_id="ABCDEF",media="v",queue_id="7""#);
        assert_eq!(labels.len(), 3);
    }

    #[test]
    fn setting_a_name_again_replaces_its_value() {
        let labels: Labels = [("a", "1"), ("a", "2")].into_iter().collect();
        assert_eq!(text_of(&labels), r#"a="2""#);
    }

    #[test]
    fn an_empty_value_is_no_label() {
        let mut labels: Labels = [("a", "1"), ("b", "")].into_iter().collect();
        assert!(labels.contains("a") && !labels.contains("b"));
        assert!(!labels.is_empty());
        labels.set("a", "");
        labels.set("never_there", "");
        assert!(labels.is_empty());
        assert_eq!(labels.get("a"), "");
        assert_eq!(text_of(&labels), "");
    }

    #[test]
    fn names_that_start_with_two_underscores_are_dropped_at_the_end() {
        let mut labels: Labels = [("__tmp", "x"), ("_one", "y"), ("a__b", "z")].into_iter().collect();
        labels.drop_internal();
        assert_eq!(text_of(&labels), r#"_one="y",a__b="z""#);
    }

    #[test]
    fn only_backslash_quote_and_line_feed_are_escaped() {
        let mut out = String::from("was here: ");
        write_escaped_value(&mut out, "C:\\dir \"x\"\nä\t'{}\r");
        assert_eq!(out, "was here: C:\\\\dir \\\"x\\\"\\nä\t'{}\r");
    }

    #[test]
    fn ordinary_text_is_borrowed() {
        for value in ["", "Sales EMEA", "Größe 🎧", "שלום\u{200F}", "a\\\"b"] {
            assert!(matches!(clean_value(value, 64), Cow::Borrowed(same) if same == value));
        }
    }

    #[test]
    fn every_control_character_becomes_one_space() {
        let hostile = "a\n\rb\0c\u{1b}[31md\u{7f}e\u{85}f\u{9b}g\tz";
        assert_eq!(clean_value(hostile, 64), "a  b c [31md e f g z");
    }

    #[test]
    fn line_separators_and_direction_overrides_become_spaces() {
        let hostile = "a\u{2028}b\u{2029}c\u{202E}d\u{202A}e\u{2066}f\u{2069}g";
        assert_eq!(clean_value(hostile, 64), "a b c d e f g");
    }

    #[test]
    fn a_long_value_is_cut_between_characters_and_says_so() {
        assert_eq!(clean_value("abcdefgh", 8), "abcdefgh");
        assert_eq!(clean_value("abcdefghi", 8), "abcde…");
        assert_eq!(clean_value("ääääää", 8), "ää…");
        assert_eq!(clean_value("🎧🎧🎧", 8), "🎧…");
        assert_eq!(clean_value("abc", 2), "ab");
        assert_eq!(clean_value("🎧", 3), "…");
        assert_eq!(clean_value("abc", 0), "");
    }

    #[test]
    fn the_limit_holds_for_the_cleaned_text_not_the_raw_one() {
        assert_eq!(clean_value("\u{85}\u{85}\u{85}\u{85}", 4), "    ");
    }

    #[test]
    fn names_are_ascii_words_that_start_with_no_digit() {
        for name in ["a", "_", "__x__", "A9", "queue_id"] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in ["", "9a", "a-b", "a.b", "ä", "a ", "a\n", "١"] {
            assert!(!is_valid_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_bounds_cleans_and_is_done_after_once(value in any::<String>(), bytes_max in 0_usize..48) {
            let once = clean_value(&value, bytes_max);
            prop_assert!(once.len() <= bytes_max);
            prop_assert!(!once.contains(is_unprintable));
            let twice = clean_value(&once, bytes_max);
            prop_assert!(matches!(twice, Cow::Borrowed(_)));
            prop_assert_eq!(&twice, &once);
        }

        #[test]
        fn an_escaped_value_reads_back_as_it_was(value in any::<String>()) {
            let mut out = String::new();
            write_escaped_value(&mut out, &value);
            prop_assert!(!out.contains('\n'));
            let mut back = String::new();
            let mut characters = out.chars();
            while let Some(character) = characters.next() {
                back.push(match character {
                    '\\' => match characters.next() {
                        Some('n') => '\n',
                        Some(literal @ ('\\' | '"')) => literal,
                        other => panic!("no such escape: {other:?}"),
                    },
                    '"' => panic!("the value ends early"),
                    plain => plain,
                });
            }
            prop_assert_eq!(back, value);
        }

        #[test]
        fn a_set_is_sorted_unique_and_without_empty_values(
            pairs in prop::collection::vec(("[a-c]{1,2}", "[xy]{0,2}"), 0..12),
        ) {
            let labels: Labels = pairs.iter().map(|(name, value)| (name, value.as_str())).collect();
            let names: Vec<_> = labels.iter().map(|(name, _)| name).collect();
            prop_assert!(names.is_sorted_by(|left, right| left < right));
            prop_assert!(labels.iter().all(|(_, value)| !value.is_empty()));
            for name in names {
                let last = pairs.iter().rfind(|(known, _)| known == name);
                prop_assert_eq!(last.map(|(_, value)| value.as_str()), Some(labels.get(name)));
            }
        }
    }
}
