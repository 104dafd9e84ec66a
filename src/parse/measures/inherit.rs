//! What measures take over from those before a reload: their places, what their first values have
//! made of them, and the values that rows hold.

use std::borrow::Cow;

use super::{MILLISECONDS, Measures, clean};
use crate::config::{Format, Kind};
use crate::ingest::event::Scalar;
use crate::parse::measure::{Measure, MeasureId, Value, Verdict};

impl Measures {
    /// Takes over the measures that `before` has seen, each in its place, and what AXP says of
    /// them. For who has seen none yet.
    ///
    /// What a first value has decided stays decided. Those that were exported are settled first, so
    /// that whoever has a name keeps it if nothing else was asked for.
    pub fn inherit(&mut self, before: &Self) {
        self.dictionary.clone_from(&before.dictionary);
        for measure in &before.list {
            if let Some(heir) = self.add(&measure.name).and_then(|id| self.list.get_mut(id)) {
                heir.inferred = measure.inferred;
            }
        }
        for (id, measure) in before.list.iter().enumerate() {
            let is_exported = |measure: &Measure| measure.verdict == Verdict::Exported;
            let was_shown = is_exported(measure) && measure.kind.is_some();
            if was_shown && self.list.get(id).is_some_and(is_exported) {
                self.settle(id, "");
            }
        }
    }

    /// A value of a row, as `before` has read it, the way it is read now; absent where what AXP
    /// sent cannot be told from it any more.
    pub fn reread<'a>(&mut self, before: &Self, id: MeasureId, value: Value<'a>) -> Value<'a> {
        let (Some(was), Some(is)) = (before.list.get(id), self.list.get(id)) else { return Value::Absent };
        match is.verdict {
            Verdict::Denied => return Value::Absent,
            Verdict::Refused(reject) => return Value::Refused(reject),
            Verdict::Exported => {}
        }
        let is_same_key = || self.privacy.hash("") == before.privacy.hash("");
        let is_read_alike = is.kind == was.kind
            && is.reader == was.reader
            && self.settings.null_values == before.settings.null_values
            && (!is.reader.hashed || is_same_key());
        if is_read_alike {
            // But for what the longest text is.
            return match value {
                Value::Text(text) => Value::Text(clean(text, self.text_bytes_max)),
                Value::State(state) => Value::State(clean(state, self.text_bytes_max)),
                value => value,
            };
        }
        let mut reread = Value::Absent;
        if let Some(text) = sent(was, value) {
            self.read_value(id, Scalar::Text(text), &mut reread);
        }
        reread
    }
}

/// What AXP may have sent for a value to come of it; none where that is not known.
fn sent<'a>(measure: &Measure, value: Value<'a>) -> Option<Cow<'a, str>> {
    let number = |number: f64| Some(Cow::Owned(number.to_string()));
    match (value, measure.kind?) {
        _ if measure.reader.hashed => None,
        (Value::Number(value), Kind::Boolean) => {
            Some(Cow::Borrowed(if value == 0.0 { "false" } else { "true" }))
        }
        (Value::Number(value), Kind::Timestamp) => number(multiplied(value, MILLISECONDS)),
        (Value::Number(value), _) if measure.reader.format == Format::Strict => {
            number(multiplied(value, measure.reader.divisor))
        }
        (Value::State(text) | Value::Text(text), _) => Some(text),
        _ => None,
    }
}

/// What gives `value` when it is divided; a whole number if one does.
fn multiplied(value: f64, divisor: f64) -> f64 {
    let product = value * divisor;
    let near = [product.round(), product, product.next_up(), product.next_down()];
    #[expect(clippy::float_cmp, reason = "it is to be the very same")]
    near.into_iter().find(|sent| sent / divisor == value).unwrap_or(product)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::config::{MeasureRule, Personal, Producer, Unit};
    use crate::parse::names::Names;
    use crate::parse::privacy::Privacy;

    fn measures(producer: Producer, privacy: Privacy) -> Measures {
        let producer = Producer { id: "Queue_itd_1.0.0".to_owned(), ..producer };
        Measures::new(producer, privacy, Arc::<Names>::default(), 1024)
    }

    fn ruled(rule: MeasureRule) -> Producer {
        Producer { measure: vec![rule], ..Producer::default() }
    }

    fn open() -> Privacy {
        Privacy::new(Personal::Drop, &[], None)
    }

    fn read<'a>(measures: &mut Measures, name: &'a str, text: &'a str) -> Value<'a> {
        let mut readings = Vec::new();
        measures.read(0, [(name.into(), Scalar::Text(text.into()))].into_iter(), &mut readings);
        readings.pop().map_or(Value::Absent, |reading| reading.value)
    }

    /// What becomes of a value when the settings change.
    fn reread(before: Producer, after: Producer, name: &str, text: &str) -> Value<'static> {
        let (mut before, mut after) = (measures(before, open()), measures(after, open()));
        let value = read(&mut before, name, text);
        after.inherit(&before);
        match after.reread(&before, 0, value) {
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::State(text) => Value::State(text.into_owned().into()),
            Value::Number(number) => Value::Number(number),
            Value::Absent => Value::Absent,
            Value::Refused(reject) => Value::Refused(reject),
        }
    }

    #[test]
    fn a_value_is_read_by_the_new_rule() {
        let name = || "x".to_owned();
        let millis = || MeasureRule {
            name: name(),
            kind: Some(Kind::Duration),
            unit: Some(Unit::Millis),
            ..MeasureRule::default()
        };
        let of = |kind| ruled(MeasureRule { name: name(), kind: Some(kind), ..MeasureRule::default() });
        for (before, after, text, expected) in [
            (Producer::default(), ruled(millis()), "1500", Value::Number(1.5)),
            (ruled(millis()), Producer::default(), "1500", Value::Number(1500.0)),
            (ruled(millis()), of(Kind::Timestamp), "0", Value::Absent),
            (of(Kind::Timestamp), of(Kind::Number), "1643645393849", Value::Number(1_643_645_393_849.0)),
            (of(Kind::Number), of(Kind::Text), "17", Value::Text("17".into())),
            (of(Kind::Text), of(Kind::State), "READY", Value::State("READY".into())),
            (of(Kind::Boolean), of(Kind::Text), "true", Value::Text("true".into())),
            (of(Kind::Boolean), Producer::default(), "false", Value::Number(0.0)),
            (of(Kind::State), Producer::default(), "READY", Value::Text("READY".into())),
        ] {
            assert_eq!(reread(before.clone(), after, "x", text), expected, "{text} {before:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_any_more_is_absent() {
        let clock = ruled(MeasureRule {
            name: "x".to_owned(),
            kind: Some(Kind::Duration),
            format: Format::HhMmSs,
            ..MeasureRule::default()
        });
        assert_eq!(reread(clock.clone(), clock.clone(), "x", "00:01:30"), Value::Number(90.0));
        assert_eq!(reread(clock, Producer::default(), "x", "00:01:30"), Value::Absent);
    }

    #[test]
    fn a_value_that_counts_as_none_now_is_absent() {
        let nulls = Producer { null_values: vec!["-1".to_owned()], ..Producer::default() };
        assert_eq!(reread(Producer::default(), nulls, "x", "-1"), Value::Absent);
    }

    #[test]
    fn what_the_first_value_has_decided_stays() {
        let (mut before, mut after) =
            (measures(Producer::default(), open()), measures(Producer::default(), open()));
        read(&mut before, "x", "5");
        after.inherit(&before);
        assert_eq!(after.list[0].kind, Some(Kind::Number));
        assert_eq!(read(&mut after, "x", "text"), Value::Refused(crate::reject::ReadingReject::NotANumber));
    }

    #[test]
    fn what_had_no_value_yet_is_decided_by_its_first_one() {
        let (mut before, mut after) =
            (measures(Producer::default(), open()), measures(Producer::default(), open()));
        assert_eq!(read(&mut before, "x", ""), Value::Absent);
        after.inherit(&before);
        assert_eq!(read(&mut after, "x", "5"), Value::Number(5.0));
    }

    #[test]
    fn who_was_exported_has_its_name_before_others() {
        let (mut before, mut after) =
            (measures(Producer::default(), open()), measures(Producer::default(), open()));
        read(&mut before, "Answered", "5");
        assert!(matches!(read(&mut before, "answered", "6"), Value::Refused(_)));
        after.inherit(&before);
        assert!(matches!(read(&mut after, "answered", "6"), Value::Refused(_)));
        assert_eq!(read(&mut after, "Answered", "5"), Value::Number(5.0));
    }

    #[test]
    fn personal_texts_follow_the_new_rule() {
        let key = |text: &str| secrecy::SecretString::from(text.to_owned());
        let privacy = |mode, secret| Privacy::new(mode, &[], Some(&key(secret)));
        let hashed = privacy(Personal::Hash, "k").hash("Ann");
        for (was, is, expected) in [
            (privacy(Personal::Keep, "k"), privacy(Personal::Drop, "k"), Value::Absent),
            (privacy(Personal::Keep, "k"), privacy(Personal::Hash, "k"), Value::Text(hashed.clone().into())),
            (privacy(Personal::Hash, "k"), privacy(Personal::Hash, "k"), Value::Text(hashed.into())),
            (privacy(Personal::Hash, "k"), privacy(Personal::Hash, "other"), Value::Absent),
            (privacy(Personal::Hash, "k"), privacy(Personal::Keep, "k"), Value::Absent),
        ] {
            let mut before = measures(Producer::default(), was);
            let mut after = measures(Producer::default(), is);
            let value = read(&mut before, "agentFirstName", "Ann");
            after.inherit(&before);
            assert_eq!(after.reread(&before, 0, value), expected, "{:?}", after.privacy);
        }
    }

    proptest! {
        /// A number survives being divided and multiplied.
        #[test]
        fn what_was_sent_is_found_again(sent in -1_000_000_000_i32..1_000_000_000, divisor in prop::sample::select(vec![1.0, 100.0, 1000.0])) {
            let sent = f64::from(sent) * 1024.0;
            prop_assert_eq!(multiplied(sent / divisor, divisor).to_bits(), sent.to_bits());
        }
    }
}
