//! Numbers out of text and back: the strict grammar of a reading.
//!
//! AXP sends every value as a JSON string. What counts as a number is JSON's own
//! grammar ([RFC 8259 section 6](https://www.rfc-editor.org/rfc/rfc8259#section-6)),
//! nothing around it and finite: `f64::from_str` alone would also take `inf`, `nan`,
//! `+5`, `.5` and `5.`, and give infinity for `1e400`.

use crate::reject::ReadingReject;

/// Digits that always fit a float without rounding (2^53 has sixteen).
const EXACT_DIGITS: usize = 15;

/// Parses `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`, finite.
///
/// `-0` gives `0`; what underflows gives `0`; integers past 2^53 are rounded.
///
/// # Errors
/// [`ReadingReject::NotANumber`] outside the grammar, [`ReadingReject::OutOfRange`]
/// where the value is not finite.
pub fn parse(text: &str) -> Result<f64, ReadingReject> {
    let bytes = text.as_bytes();
    if let Some(value) = parse_digits(bytes) {
        return Ok(value);
    }
    if !is_number(bytes) {
        return Err(ReadingReject::NotANumber);
    }
    match text.parse::<f64>() {
        // Adding zero turns -0 into 0.
        Ok(value) if value.is_finite() => Ok(value + 0.0),
        Ok(_) => Err(ReadingReject::OutOfRange),
        Err(_) => Err(ReadingReject::NotANumber),
    }
}

/// The common case: a short run of digits, exact in a float.
fn parse_digits(bytes: &[u8]) -> Option<f64> {
    let (first, rest) = bytes.split_first()?;
    if bytes.len() > EXACT_DIGITS || (*first == b'0' && !rest.is_empty()) {
        return None;
    }
    let mut value: i64 = 0;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    #[expect(clippy::cast_precision_loss, reason = "fifteen digits are exact in a float")]
    Some(value as f64)
}

/// True if `bytes` is exactly one number of the grammar.
pub fn is_number(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let rest = match rest {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => skip_digits(rest),
        _ => return false,
    };
    let rest = match rest {
        [b'.', digit, rest @ ..] if digit.is_ascii_digit() => skip_digits(rest),
        _ => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', digit, rest @ ..] | [b'e' | b'E', digit, rest @ ..]
            if digit.is_ascii_digit() =>
        {
            skip_digits(rest).is_empty()
        }
        _ => false,
    }
}

fn skip_digits(mut bytes: &[u8]) -> &[u8] {
    while let [digit, rest @ ..] = bytes
        && digit.is_ascii_digit()
    {
        bytes = rest;
    }
    bytes
}

/// Appends a finite value: integers without a dot, others in their shortest form.
///
/// Both are legal in the Prometheus text format and in
/// [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/#numbers).
pub fn write(out: &mut Vec<u8>, value: f64) {
    /// Integers below this are exact and print as such.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // Where it fits, the integer comes back as the value; `trunc` is a call on older processors.
    #[expect(clippy::cast_possible_truncation, reason = "what does not fit differs")]
    let integer = value as i64;
    #[expect(clippy::float_cmp, clippy::cast_precision_loss, reason = "an integer is equal to itself")]
    if integer as f64 == value && value.abs() < EXACT {
        out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    } else {
        out.extend_from_slice(ryu::Buffer::new().format(value).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_grammar_takes_json_numbers_only() {
        for (text, value) in [
            ("0", 0.0),
            ("-0", 0.0),
            ("5", 5.0),
            ("-5", -5.0),
            ("922", 922.0),
            ("9.9", 9.9),
            ("0.5", 0.5),
            ("-0.25", -0.25),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("25e-1", 2.5),
            ("1.5e2", 150.0),
            ("1643645393849", 1_643_645_393_849.0),
            ("999999999999999", 999_999_999_999_999.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("123456789012345678901", 123_456_789_012_345_680_000.0),
            ("1e-400", 0.0),
            ("1e308", 1e308),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed.to_bits(), (value + 0.0f64).to_bits(), "{text}");
            assert!(is_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "", " ", "-", "+5", ".5", "5.", "5.e1", "00", "01", "-01", "0x10", "1_000", "1,234", " 5", "5 ",
            " 5 ", "1e", "1e+", "e5", "inf", "Inf", "-inf", "infinity", "nan", "NaN", "true", "N/A", "１",
            "٣", "5\n", "1.2.3", "--5", "1e5.5", "5\0", "85%", "00:10:00",
        ] {
            assert_eq!(parse(text), Err(ReadingReject::NotANumber), "{text:?}");
            assert!(!is_number(text.as_bytes()), "{text:?}");
        }
        for text in ["1e400", "-1e400", "1e999999999999"] {
            assert_eq!(parse(text), Err(ReadingReject::OutOfRange), "{text:?}");
        }
    }

    #[test]
    fn numbers_print_short() {
        for (value, text) in [
            (0.0, "0"),
            (-5.0, "-5"),
            (36000.0, "36000"),
            (0.5, "0.5"),
            (1_643_645_393.849, "1643645393.849"),
            (1e21, "1e21"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992.0"),
            (1e-7, "1e-7"),
        ] {
            let mut out = Vec::new();
            write(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let mut out = Vec::new();
            write(&mut out, value);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(parse(&text).unwrap().to_bits(), (value + 0.0).to_bits());
        }

        #[test]
        fn the_grammar_agrees_with_json(text in "[-+0-9.eE ]{0,8}") {
            let json = serde_json::from_str::<f64>(&text).is_ok() && text.trim() == text;
            prop_assert_eq!(parse(&text).is_ok(), json, "{}", text);
        }
    }
}
