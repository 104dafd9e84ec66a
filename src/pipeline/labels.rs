//! Which row an event names, and under which labels it is shown.

use super::derivation::Derivation;
use crate::ingest::event::Event;
use crate::label::labels::{Labels, clean_value};
use crate::parse::measure::MeasureId;
use crate::parse::name::snake_case;
use crate::reject::RowReject;
use crate::table::rows::{RowId, Table};

/// The label that rules may read for the event's source; dropped at the end.
const EVENT_SOURCE_LABEL: &str = "__event_source_id__";
/// The label that rules may read for the producer; dropped at the end.
const PRODUCER_LABEL: &str = "__measure_producer_id__";
/// The label of the account.
const ACCOUNT_LABEL: &str = "account_id";

/// The labels of a row after the rules, or why it is not shown.
///
/// Promoted texts that would need a label which a key has already are left out and named
/// in `collided`.
pub(super) fn row_labels(
    derivation: &Derivation,
    table: &Table,
    id: RowId,
    collided: &mut Vec<MeasureId>,
) -> Result<Labels, RowReject> {
    let identity = table.row(id).map_or("", |row| &row.identity);
    let mut labels = first_labels(derivation, identity, table, Some(id), collided)?;
    if !derivation.rules.apply(&mut labels) {
        return Err(RowReject::Relabel);
    }
    labels.drop_internal();
    Ok(labels)
}

/// The labels of a row of this identity that the rules get to see; where it is in no table, those
/// that are no promoted texts.
pub(super) fn first_labels(
    derivation: &Derivation,
    identity: &str,
    table: &Table,
    id: Option<RowId>,
    collided: &mut Vec<MeasureId>,
) -> Result<Labels, RowReject> {
    let measures = &derivation.measures;
    let clean = |value: &str| clean_value(value, measures.text_bytes_max()).into_owned();
    let privacy = measures.privacy();
    let mut labels = Labels::new();
    let mut words = words(identity);
    let (account, source) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let keys = std::iter::from_fn(|| words.next().zip(words.next()));
    // A key that names a person is treated as a measure of that name is.
    let keys = keys.filter_map(|(name, value)| Some((snake_case(name), clean(&privacy.treat(name, value)?))));
    for (name, value) in keys.chain(std::iter::once((ACCOUNT_LABEL.to_owned(), clean(account)))) {
        if labels.contains(&name) && labels.get(&name) != value {
            return Err(RowReject::DuplicateLabel);
        }
        labels.set(&name, value);
    }
    for (measure_id, measure) in measures.iter().enumerate().filter(|(_, measure)| measure.promoted) {
        if let Some(text) = id.zip(measure.column).and_then(|(id, column)| table.text(id, column)) {
            if !labels.contains(&measure.field) {
                labels.set(&measure.field, text);
            } else if labels.get(&measure.field) != text {
                collided.push(measure_id);
            }
        }
    }
    labels.set(EVENT_SOURCE_LABEL, clean(source));
    labels.set(PRODUCER_LABEL, measures.producer_id());
    Ok(labels)
}

/// Account, source and keys, each with its length in front, so that no two rows share it.
pub(super) fn write_identity(out: &mut String, event: &Event<'_>, account_id: &str) {
    out.clear();
    let mut digits = itoa::Buffer::new();
    let account = event.account_id.as_deref().unwrap_or(account_id);
    let source = event.event_source_id.as_deref().unwrap_or_default();
    let keys = event.keys.iter().flat_map(|(name, value)| [&**name, &**value]);
    for part in [account, source].into_iter().chain(keys) {
        out.push_str(digits.format(part.len()));
        out.push(':');
        out.push_str(part);
    }
}

/// What [`write_identity`] has put together, one after the other.
fn words(identity: &str) -> impl Iterator<Item = &str> {
    let mut rest = identity;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_once(':')?;
        let (word, behind) = behind.split_at_checked(length.parse().ok()?)?;
        rest = behind;
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::event::EventBuffer;

    #[test]
    fn an_identity_tells_what_it_was_made_of() {
        let frame = r#"{"eventAction":"UPSERT","payloadType":"LIVE","eventSourceId":"s:1",
            "keys":{"a":"1:x","ü":"é","b":"2"},"measures":{}}"#;
        let mut buffer = EventBuffer::default();
        let event = Event::parse(frame, &mut buffer).unwrap();
        let mut identity = String::new();
        write_identity(&mut identity, &event, "ACCOUN");
        assert_eq!(words(&identity).collect::<Vec<_>>(), ["ACCOUN", "s:1", "a", "1:x", "b", "2", "ü", "é"]);
        assert_eq!(words("").count(), 0);
    }
}
