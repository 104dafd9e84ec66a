//! Replacement templates: text with `$1`, `${1}`, `$name` and `${name}` in it.
//!
//! The rules are those of [Go's `Regexp.Expand`][expand], which Prometheus uses. The `regex`
//! crate's own expansion is close and yet not the same: it allows only ASCII in a bare name and
//! anything at all between braces. Here, as in Go:
//! - a bare name is as long as it can be, so `$1x` is the group named `1x`, which is not there;
//! - a name is letters, digits and `_` of any script, between braces too;
//! - a group that is not there, or took no part in the match, is empty;
//! - `$$` is one `$`, and a `$` that starts no reference is itself.
//!
//! [expand]: https://pkg.go.dev/regexp#Regexp.Expand

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The name at the start of a reference. Go asks `unicode.IsLetter` and `unicode.IsDigit`; the
/// methods of `char` are wider: `$1²` must be group 1 and a `²`.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern; every test here runs it")]
    Regex::new(r"^[\p{L}\p{Nd}_]+").expect("the pattern of names compiles")
});

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Number(usize),
    Name(String),
}

impl Template {
    /// Parses any text; whatever is no reference is literal.
    pub(super) fn parse(text: &str) -> Self {
        let mut template = Self { parts: Vec::new() };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            template.push_literal(before);
            if let Some(after_second) = after.strip_prefix('$') {
                template.push_literal("$");
                rest = after_second;
            } else if let Some((name, after_name)) = split_reference(after) {
                template.parts.push(Part::reference(name));
                rest = after_name;
            } else {
                template.push_literal("$");
                rest = after;
            }
        }
        template.push_literal(rest);
        template
    }

    /// Whether what comes out can be a label name for some match: a letter, `_` or a reference
    /// first, then these and digits. Prometheus refuses other names when it reads its
    /// configuration, and looks at the outcome again at run time.
    pub(super) fn can_be_name(&self) -> bool {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let starts_well = match self.parts.first() {
            None => false,
            Some(Part::Literal(text)) => !text.starts_with(|first: char| first.is_ascii_digit()),
            Some(Part::Number(_) | Part::Name(_)) => true,
        };
        starts_well
            && self.parts.iter().all(|part| match part {
                Part::Literal(text) | Part::Name(text) => text.bytes().all(is_word),
                Part::Number(_) => true,
            })
    }

    /// The template filled in from a match. It stops growing once it is longer than `bytes_max`,
    /// so that the work is bounded; the caller cuts or refuses what is too long.
    pub(super) fn expand(&self, captures: &Captures<'_>, bytes_max: usize) -> String {
        let mut out = String::new();
        for part in &self.parts {
            if out.len() > bytes_max {
                break;
            }
            out.push_str(match part {
                Part::Literal(text) => text,
                Part::Number(number) => captures.get(*number).map_or("", |group| group.as_str()),
                Part::Name(name) => captures.name(name).map_or("", |group| group.as_str()),
            });
        }
        out
    }

    fn push_literal(&mut self, text: &str) {
        if let Some(Part::Literal(last)) = self.parts.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.parts.push(Part::Literal(text.to_owned()));
        }
    }
}

impl Part {
    /// A number is a number only without a leading zero, and only when it is ASCII.
    fn reference(name: &str) -> Self {
        let is_number =
            name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
        match name.parse() {
            Ok(number) if is_number => Self::Number(number),
            _ => Self::Name(name.to_owned()),
        }
    }
}

/// Splits what follows a `$` into the reference's name and the rest; `None` when it is none.
fn split_reference(text: &str) -> Option<(&str, &str)> {
    let (inner, is_braced) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let name = NAME.find(inner)?;
    let (name, rest) = inner.split_at_checked(name.end())?;
    if is_braced { Some((name, rest.strip_prefix('}')?)) } else { Some((name, rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str) -> String {
        let regex = Regex::new("^(?P<first>a+)(b*)(c)?$").unwrap();
        let captures = regex.captures("aab").unwrap();
        Template::parse(template).expand(&captures, 1024)
    }

    #[test]
    fn numbers_and_names_are_filled_in() {
        assert_eq!(expand("$1-$2"), "aa-b");
        assert_eq!(expand("${1}${2}"), "aab");
        assert_eq!(expand("$first/${first}"), "aa/aa");
        assert_eq!(expand("<$0>"), "<aab>");
    }

    #[test]
    fn a_bare_name_is_as_long_as_it_can_be() {
        assert_eq!(expand("[$1x]"), "[]");
        assert_eq!(expand("[${1}x]"), "[aax]");
        assert_eq!(expand("[$1_]"), "[]");
        assert_eq!(expand("[$10]"), "[]");
        assert_eq!(expand("[$firstname]"), "[]");
        assert_eq!(expand("[$1é]"), "[]");
        assert_eq!(expand("[$1-x]"), "[aa-x]");
    }

    #[test]
    fn a_sign_that_is_neither_letter_nor_digit_ends_a_name() {
        assert_eq!(expand("$1²"), "aa²");
        assert_eq!(expand("$1½"), "aa½");
        assert_eq!(expand("${1²}"), "${1²}");
    }

    #[test]
    fn groups_that_are_missing_or_took_no_part_are_empty() {
        assert_eq!(expand("[$3]"), "[]");
        assert_eq!(expand("[$4]"), "[]");
        assert_eq!(expand("[${nobody}]"), "[]");
        assert_eq!(expand("[$01]"), "[]");
        assert_eq!(expand("[$99999999999999999999999]"), "[]");
        assert_eq!(expand("[$١]"), "[]");
    }

    #[test]
    fn two_dollars_are_one_and_a_stray_one_is_itself() {
        assert_eq!(expand("$$"), "$");
        assert_eq!(expand("$$1"), "$1");
        assert_eq!(expand("$$$1"), "$aa");
        assert_eq!(expand("$"), "$");
        assert_eq!(expand("5$"), "5$");
        assert_eq!(expand("$ 1"), "$ 1");
        assert_eq!(expand("$-$1"), "$-aa");
    }

    #[test]
    fn broken_braces_are_literal() {
        assert_eq!(expand("${"), "${");
        assert_eq!(expand("${}"), "${}");
        assert_eq!(expand("${1"), "${1");
        assert_eq!(expand("${1 }"), "${1 }");
        assert_eq!(expand("${a.b}"), "${a.b}");
        assert_eq!(expand("${$1"), "${aa");
    }

    #[test]
    fn expansion_stops_soon_after_its_limit() {
        let regex = Regex::new("^(.*)$").unwrap();
        let value = "x".repeat(100);
        let captures = regex.captures(&value).unwrap();
        let out = Template::parse(&"$1".repeat(1000)).expand(&captures, 250);
        assert_eq!(out.len(), 300);
        let out = Template::parse("${1}x").expand(&captures, 100);
        assert_eq!(out.len(), 101, "what is as long as may be is not cut unseen");
    }

    #[test]
    fn a_template_can_be_a_name_when_words_and_references_make_it_up() {
        for good in [
            "queue",
            "queue${1}",
            "${1}queue",
            "${1}",
            "$1",
            "ab$2cd",
            "_${1}_",
            "a${b}c",
            "$1_9",
            "${1}9",
            "$first$2",
            "__tmp",
        ] {
            assert!(Template::parse(good).can_be_name(), "{good}");
        }
        for bad in [
            "", "-queue", "${", "$", "${}", "a${", "-a${1}b-", "0${1}", "$$", "a$$b", "a b", "ä", "$1é",
            "a.b", "${ä}",
        ] {
            assert!(!Template::parse(bad).can_be_name(), "{bad}");
        }
    }
}
