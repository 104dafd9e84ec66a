//! Patterns: [RE2 syntax], as Prometheus takes it, read by the `regex` crate.
//!
//! Both match in linear time and neither has look-around or back references. Where the crate
//! would read a pattern differently *without an error*, the pattern is rewritten first, so that
//! a rule that was tried in Prometheus means the same here:
//! - `\d \w \s` and `\b` are ASCII in RE2, Unicode in the crate;
//! - within `[…]`, `&&`, `--`, `~~` and `[` are ordinary characters in RE2, set operations there;
//! - `\<` and `\>` are `<` and `>` in RE2, word boundaries there;
//! - a `{` that starts no repetition is literal in RE2; `{,3}` is one there;
//! - `\Q…\E` quotes.
//!
//! What remains is on the safe side: octal escapes, `\C` and `\p{^…}` are refused, group names start with
//! no digit, and a little more than RE2 knows is taken (`(?x)`, `a**`, more than 1000
//! repetitions).
//!
//! [RE2 syntax]: https://github.com/google/re2/wiki/Syntax

use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// Most memory that one compiled pattern may take. A list of a thousand names takes a tenth of it,
/// `\p{L}{0,100}` half; `(?:.{999}){999}` is refused instead of eating the host.
const COMPILED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The names that may stand in `[[:name:]]`.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Compiles `pattern` so that it must match the whole text and `.` matches a newline too; the
/// error is one line.
///
/// The pattern is compiled alone first: a parenthesis that would close the anchoring group is an
/// error here, and messages speak of what the user wrote.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let rewritten = Rewriter::rewrite(pattern)?;
    build(&rewritten)?;
    build(&format!("^(?s:{rewritten})$"))
}

fn build(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build().map_err(|err| describe(&err))
}

/// One line out of the crate's drawing of the pattern with the message below it.
fn describe(err: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = err {
        return format!(
            "compiles to more than {} MiB; use fewer or smaller repetitions",
            COMPILED_BYTES_MAX / (1024 * 1024)
        );
    }
    let drawing = err.to_string();
    let message = drawing.rsplit_once("error: ").map_or(drawing.as_str(), |(_, message)| message);
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.contains("look-around") || line.contains("backreferences") {
        format!("does not parse: {line}, as in RE2; match the whole value with groups instead")
    } else {
        format!("does not parse: {line}")
    }
}

/// Walks a pattern once, left to right.
#[derive(Debug)]
struct Rewriter<'a> {
    rest: Chars<'a>,
    out: String,
}

impl<'a> Rewriter<'a> {
    fn rewrite(pattern: &'a str) -> Result<String, String> {
        let mut rewriter = Self { rest: pattern.chars(), out: String::with_capacity(pattern.len()) };
        while let Some(character) = rewriter.rest.next() {
            match character {
                '\\' if rewriter.take("Q") => rewriter.quoted(),
                '\\' if rewriter.take("b") => rewriter.out.push_str(r"(?-u:\b)"),
                '\\' if rewriter.take("B") => rewriter.out.push_str(r"(?-u:\B)"),
                '\\' => rewriter.escape(),
                '[' => rewriter.class()?,
                '{' if !starts_repetition(rewriter.rest.as_str()) => rewriter.out.push_str(r"\{"),
                other => rewriter.out.push(other),
            }
        }
        Ok(rewriter.out)
    }

    /// What follows a backslash, within a class or without.
    fn escape(&mut self) {
        let Some(character) = self.rest.next() else {
            self.out.push('\\');
            return;
        };
        match character {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            's' => self.out.push_str(r"[\t\n\f\r ]"),
            'S' => self.out.push_str(r"[^\t\n\f\r ]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            '<' | '>' => self.out.push(character),
            other => {
                self.out.push('\\');
                self.out.push(other);
                if matches!(other, 'p' | 'P' | 'x') {
                    self.braces();
                }
            }
        }
    }

    /// The `{…}` of `\p{…}` and `\x{…}`, where there is one.
    fn braces(&mut self) {
        if self.rest.as_str().starts_with('{') {
            for character in self.rest.by_ref() {
                self.out.push(character);
                if character == '}' {
                    break;
                }
            }
        }
    }

    fn quoted(&mut self) {
        let (text, after) = match self.rest.as_str().split_once(r"\E") {
            Some((text, after)) => (text, after),
            None => (self.rest.as_str(), ""),
        };
        self.out.push_str(&regex::escape(text));
        self.rest = after.chars();
    }

    /// A bracket expression, its `[` already taken. One without an end is left to the crate to
    /// complain about.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut is_first = true;
        while !self.rest.as_str().is_empty() {
            if !is_first && self.take("]") {
                self.out.push(']');
                return Ok(());
            }
            is_first = false;
            if self.posix_class()? || self.perl_class() {
                continue;
            }
            self.class_character();
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|end| end != ']') {
                self.rest.next();
                self.out.push('-');
                if self.perl_class() {
                    return Err("does not parse: a range in [...] ends in a class".to_owned());
                }
                self.class_character();
            }
        }
        Ok(())
    }

    /// `[:alpha:]` and `[:^alpha:]`; a wrong name is an error, as the crate would take its letters
    /// one by one.
    fn posix_class(&mut self) -> Result<bool, String> {
        let Some(inner) = self.rest.as_str().strip_prefix("[:") else {
            return Ok(false);
        };
        let Some((name, after)) = inner.split_once(":]") else {
            return Ok(false);
        };
        if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!(
                "does not parse: unknown class [:{name}:]; known are {}",
                POSIX_CLASSES.join(" ")
            ));
        }
        self.out.push_str("[:");
        self.out.push_str(name);
        self.out.push_str(":]");
        self.rest = after.chars();
        Ok(true)
    }

    /// `\d` and its like, and `\pL`, which start no range.
    fn perl_class(&mut self) -> bool {
        let mut ahead = self.rest.clone();
        let is_class =
            ahead.next() == Some('\\') && ahead.next().is_some_and(|kind| "dDsSwWpP".contains(kind));
        if is_class {
            self.rest.next();
            self.escape();
        }
        is_class
    }

    fn class_character(&mut self) {
        match self.rest.next() {
            Some('\\') => self.escape(),
            Some(special @ ('[' | ']' | '&' | '~' | '-' | '^')) => {
                self.out.push('\\');
                self.out.push(special);
            }
            Some(other) => self.out.push(other),
            None => {}
        }
    }

    /// Steps over `expected` if it comes next.
    fn take(&mut self, expected: &str) -> bool {
        match self.rest.as_str().strip_prefix(expected) {
            Some(after) => {
                self.rest = after.chars();
                true
            }
            None => false,
        }
    }
}

/// Whether what follows a `{` makes it `{2}`, `{2,}` or `{2,3}`.
fn starts_repetition(text: &str) -> bool {
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((inner, _)) = text.split_once('}') else {
        return false;
    };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    !least.is_empty() && is_digits(least) && is_digits(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap().is_match(text)
    }

    #[test]
    fn a_pattern_must_match_the_whole_text() {
        assert!(is_match("queue", "queue"));
        assert!(!is_match("queue", "queues"));
        assert!(!is_match("a|b", "ab"));
        assert!(is_match("", ""));
        assert!(!is_match("", "x"));
        assert!(is_match("^x$", "x"));
        assert!(!is_match("(?m)a", "a\nb"));
    }

    #[test]
    fn a_dot_matches_a_newline() {
        assert!(is_match("a.*b", "a\n\nb"));
        assert!(!is_match("(?-s)a.b", "a\nb"));
    }

    #[test]
    fn perl_classes_and_boundaries_are_ascii() {
        assert!(is_match(r"\d\w\s", "7_ "));
        assert!(!is_match(r"\d", "٧"));
        assert!(!is_match(r"\w", "é"));
        assert!(!is_match(r"\s", "\u{a0}"));
        assert!(!is_match(r"\s", "\u{b}"));
        assert!(is_match(r"\D\W\S", "٧éé"));
        assert!(is_match(r"[\d.]+", "10.5"));
        assert!(is_match(r"[^\d]", "٧"));
        assert!(is_match(r"[\D]", "٧"));
        assert!(is_match(r"é\bx", "éx"));
        assert!(is_match(r"a\Bb", "ab"));
        assert!(!is_match(r"é\Bx", "éx"));
        assert!(is_match(r"\p{Greek}\pL\x{e9}\x41", "αßéA"));
    }

    #[test]
    fn class_operators_of_the_crate_are_ordinary_characters() {
        assert!(is_match("[a&&b]+", "a&b"));
        assert!(is_match("[a~~b]+", "a~b"));
        assert!(is_match("[[a]", "["));
        assert!(is_match("[+--]+", "+,-"));
        assert!(is_match(r"[\w-.]+", "a-b.c"));
        assert!(is_match(r"[\p{Greek}-.]+", "α-β.γ"));
        assert!(is_match("[]a]+", "]a"));
        assert!(is_match("[^]a]+", "xy"));
        assert!(is_match("[a-]+", "a-"));
        assert!(is_match("[ad]+", "ad"));
        assert!(is_match("[a^]+", "a^"));
        assert!(is_match(r"[\]\[\-\\]+", r"][-\"));
        assert!(is_match("[[:alpha:][:^ascii:]-]+", "aé-"));
        assert!(is_match(r"[\x41-C]+", "ABC"));
    }

    #[test]
    fn escaped_punctuation_is_itself() {
        assert!(is_match(r"\<a\>", "<a>"));
        assert!(is_match(r"[\<\>]+", "<>"));
        assert!(is_match(r"\_\-\.\/\ \@", "_-./ @"));
    }

    #[test]
    fn a_brace_that_starts_no_repetition_is_itself() {
        assert!(is_match("a{2}", "aa"));
        assert!(is_match("a{2,}b{1,3}", "aaabb"));
        assert!(is_match("a{,3}", "a{,3}"));
        assert!(is_match("{id}", "{id}"));
        assert!(is_match("a{", "a{"));
    }

    #[test]
    fn quoted_text_is_literal_to_its_end() {
        assert!(is_match(r"\Qa.b[\E+", "a.b[["));
        assert!(is_match(r"\Qa.*", "a.*"));
        assert!(!is_match(r"\Qa.*", "abc"));
    }

    #[test]
    fn errors_are_one_line_that_says_what_is_wrong() {
        for (pattern, part) in [
            ("(", "unclosed group"),
            ("a)(b", "unopened group"),
            ("[a", "unclosed character class"),
            ("*", "repetition operator missing expression"),
            ("(?!x)y", "as in RE2"),
            ("(?<=x)y", "as in RE2"),
            (r"(a)\1", "as in RE2"),
            (r"[+-\d]", "a range in [...] ends in a class"),
            ("[z-a]", "invalid character class range"),
            ("[[:word:][:nope:]]", "unknown class [:nope:]"),
            ("a\\", "incomplete escape"),
            ("(?:.{999}){999}", "more than 8 MiB"),
        ] {
            let message = compile(pattern).unwrap_err();
            assert!(message.contains(part), "{pattern}: {message}");
            assert!(!message.contains('\n'), "{pattern}: {message}");
        }
    }

    #[test]
    fn a_list_of_a_thousand_names_is_not_too_big() {
        let names: Vec<_> = (0..1000).map(|n| format!("queue name {n}")).collect();
        assert!(is_match(&names.join("|"), "queue name 777"));
        assert!(is_match(".{0,1000}", "x"));
    }
}
