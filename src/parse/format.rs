//! Spellings of numbers that a measure's rule may name: clock times, ISO 8601 durations,
//! percent signs, decimal commas, thousands marks.
//!
//! None of them is ever guessed: without a rule only [`number::parse`] applies.

use crate::config::Format;
use crate::parse::number;
use crate::reject::ReadingReject;

const SECONDS_A_MINUTE: f64 = 60.0;
const SECONDS_AN_HOUR: f64 = 3600.0;
const SECONDS_A_DAY: f64 = 86_400.0;

/// Reads `text` in `format`. The two duration formats give seconds.
///
/// # Errors
/// [`ReadingReject::NotANumber`] where the text is not of the format,
/// [`ReadingReject::OutOfRange`] where its value is not finite.
pub fn parse(format: Format, text: &str) -> Result<f64, ReadingReject> {
    match format {
        Format::Strict => number::parse(text),
        Format::HhMmSs => clock(text).ok_or(ReadingReject::NotANumber),
        Format::Iso8601 => iso8601(text).ok_or(ReadingReject::NotANumber),
        Format::Percent => {
            number::parse(text.strip_suffix('%').map_or(text, |number| number.trim_end_matches(' ')))
        }
        Format::DecimalComma => grouped(text, '.', ','),
        Format::Thousands => grouped(text, ',', '.'),
    }
    .and_then(|value| if value.is_finite() { Ok(value) } else { Err(ReadingReject::OutOfRange) })
}

/// `[[D:]H:]MM:SS[.f]`, every part but the first of two digits, minutes and seconds below 60.
fn clock(text: &str) -> Option<f64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, digits)) if is_digits(digits) => (whole, format!("0.{digits}").parse::<f64>().ok()?),
        Some(_) => return None,
        None => (text, 0.0),
    };
    let parts: Vec<&str> = whole.split(':').collect();
    let units: &[f64] = match parts.len() {
        2 => &[SECONDS_A_MINUTE, 1.0],
        3 => &[SECONDS_AN_HOUR, SECONDS_A_MINUTE, 1.0],
        4 => &[SECONDS_A_DAY, SECONDS_AN_HOUR, SECONDS_A_MINUTE, 1.0],
        _ => return None,
    };
    let mut seconds = fraction;
    for (index, (part, unit)) in parts.iter().zip(units).enumerate() {
        let value = is_digits(part).then(|| part.parse::<f64>().ok())??;
        let limit = if *unit >= SECONDS_AN_HOUR { 24.0 } else { 60.0 };
        if index > 0 && (part.len() != 2 || value >= limit) {
            return None;
        }
        seconds += value * unit;
    }
    Some(if negative { -seconds } else { seconds } + 0.0)
}

/// `P[nW][nD][T[nH][nM][n[.f]S]]` ([ISO 8601](https://en.wikipedia.org/wiki/ISO_8601#Durations));
/// years and months have no fixed length and are refused.
fn iso8601(text: &str) -> Option<f64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let text = text.strip_prefix('P')?;
    let (date, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = designated(date, &[('W', 7.0 * SECONDS_A_DAY), ('D', SECONDS_A_DAY)])?;
    let time = designated(time, &[('H', SECONDS_AN_HOUR), ('M', SECONDS_A_MINUTE), ('S', 1.0)])?;
    Some(if negative { -(date + time) } else { date + time } + 0.0)
}

/// Adds up `<number><designator>` parts, which come in the given order, each at most once.
fn designated(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut seconds = 0.0;
    for (designator, unit) in units {
        if let Some((digits, rest)) = text.split_once(*designator) {
            let whole = digits.split_once('.').map_or(is_digits(digits), |(whole, fraction)| {
                *designator == 'S' && is_digits(whole) && is_digits(fraction)
            });
            seconds += whole.then(|| digits.parse::<f64>().ok())?? * unit;
            text = rest;
        }
    }
    text.is_empty().then_some(seconds)
}

/// A number with a mark between groups of three digits and a decimal mark: `1.234,5` or
/// `1,234.5`. Without group marks, a plain number with that decimal mark.
fn grouped(text: &str, group_mark: char, decimal_mark: char) -> Result<f64, ReadingReject> {
    let (whole, fraction) = text.split_once(decimal_mark).unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let in_threes = digits.split(group_mark).enumerate().all(|(index, group)| {
        is_digits(group) && if index == 0 { group.len() <= 3 } else { group.len() == 3 }
    });
    if digits.contains(group_mark) && !in_threes {
        return Err(ReadingReject::NotANumber);
    }
    number::parse(&format!("{}.{fraction}", whole.replace(group_mark, "")))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_format_reads_its_own_spelling() {
        for (format, text, value) in [
            (Format::HhMmSs, "00:10:05", 605.0),
            (Format::HhMmSs, "10:05", 605.0),
            (Format::HhMmSs, "125:00:01.5", 450_001.5),
            (Format::HhMmSs, "1:02:03:04", 93_784.0),
            (Format::HhMmSs, "-00:00:01", -1.0),
            (Format::HhMmSs, "-00:00", 0.0),
            (Format::Iso8601, "PT36S", 36.0),
            (Format::Iso8601, "P1DT2H3M4.5S", 93_784.5),
            (Format::Iso8601, "P2W", 1_209_600.0),
            (Format::Iso8601, "-PT1M", -60.0),
            (Format::Iso8601, "-PT0S", 0.0),
            (Format::Percent, "85%", 85.0),
            (Format::Percent, "85.5 %", 85.5),
            (Format::Percent, "85", 85.0),
            (Format::DecimalComma, "1234,5", 1234.5),
            (Format::DecimalComma, "7", 7.0),
            (Format::DecimalComma, "-1.234.567,25", -1_234_567.25),
            (Format::Thousands, "1,234,567.5", 1_234_567.5),
            (Format::Thousands, "-1,234", -1234.0),
            (Format::Thousands, "1234", 1234.0),
        ] {
            let bits = parse(format, text).map(f64::to_bits);
            assert_eq!(bits, Ok(f64::to_bits(value)), "{format:?} {text}");
        }
    }

    #[test]
    fn and_no_other() {
        for (format, text) in [
            (Format::Strict, "00:10"),
            (Format::HhMmSs, "10"),
            (Format::HhMmSs, "1:60:00"),
            (Format::HhMmSs, "1:1:1"),
            (Format::HhMmSs, "25:00:00:00:00"),
            (Format::HhMmSs, "1:25:00:00"),
            (Format::HhMmSs, "+1:00"),
            (Format::HhMmSs, "10:05."),
            (Format::HhMmSs, ""),
            (Format::Iso8601, "P1Y"),
            (Format::Iso8601, "P1M"),
            (Format::Iso8601, "PT"),
            (Format::Iso8601, "P"),
            (Format::Iso8601, "PT1.5H"),
            (Format::Iso8601, "PT1S2M"),
            (Format::Iso8601, "36"),
            (Format::Percent, "%"),
            (Format::Percent, "85%%"),
            (Format::Percent, "85 "),
            (Format::DecimalComma, "1.5"),
            (Format::DecimalComma, "1,2,3"),
            (Format::Thousands, "12,34"),
            (Format::Thousands, "1234,567"),
            (Format::Thousands, "1,234.5,6"),
            (Format::Thousands, ",123"),
        ] {
            assert_eq!(parse(format, text), Err(ReadingReject::NotANumber), "{format:?} {text}");
        }
    }

    #[test]
    fn no_format_gives_infinity() {
        let long = "9".repeat(400);
        assert_eq!(parse(Format::HhMmSs, &format!("{long}:00")), Err(ReadingReject::OutOfRange));
        assert_eq!(parse(Format::Iso8601, &format!("PT{long}S")), Err(ReadingReject::OutOfRange));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-0-9:.,%PTWDHMSé ]{0,16}") {
            for format in [Format::Strict, Format::HhMmSs, Format::Iso8601, Format::Percent, Format::DecimalComma, Format::Thousands] {
                let _ = parse(format, &text);
            }
        }
    }
}
