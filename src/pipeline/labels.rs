//! Which row an event names, and under which labels it is shown.

use std::borrow::Cow;

use super::PipelineParts;
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

/// The labels of the event's row after the rules, or why it is not shown.
///
/// Promoted texts that would need a label which a key has already are left out and named
/// in `collided`.
pub(super) fn row_labels(
    event: &Event<'_>,
    parts: &PipelineParts,
    table: &Table,
    id: RowId,
    collided: &mut Vec<MeasureId>,
) -> Result<Labels, RowReject> {
    let mut labels = first_labels(event, parts, table, Some(id), collided)?;
    if !parts.rules.apply(&mut labels) {
        return Err(RowReject::Relabel);
    }
    labels.drop_internal();
    Ok(labels)
}

/// The labels that the rules get to see; without a row, without promoted texts.
pub(super) fn first_labels(
    event: &Event<'_>,
    parts: &PipelineParts,
    table: &Table,
    id: Option<RowId>,
    collided: &mut Vec<MeasureId>,
) -> Result<Labels, RowReject> {
    let clean = |value: &str| clean_value(value, parts.label_value_bytes).into_owned();
    let privacy = parts.measures.privacy();
    let mut labels = Labels::new();
    let account = event.account_id.as_deref().unwrap_or(&parts.account_id);
    // A key that names a person is treated as a measure of that name is.
    let keys = event.keys.iter().filter_map(|(name, value)| {
        let shown = if privacy.is_personal(name) { privacy.treat(value)? } else { Cow::Borrowed(&**value) };
        Some((snake_case(name), clean(&shown)))
    });
    for (name, value) in keys.chain(std::iter::once((ACCOUNT_LABEL.to_owned(), clean(account)))) {
        if labels.contains(&name) && labels.get(&name) != value {
            return Err(RowReject::DuplicateLabel);
        }
        labels.set(&name, value);
    }
    for (measure_id, measure) in parts.measures.iter().enumerate().filter(|(_, measure)| measure.promoted) {
        if let Some(text) = id.zip(measure.column).and_then(|(id, column)| table.text(id, column)) {
            if !labels.contains(&measure.field) {
                labels.set(&measure.field, text);
            } else if labels.get(&measure.field) != text {
                collided.push(measure_id);
            }
        }
    }
    labels.set(EVENT_SOURCE_LABEL, clean(event.event_source_id.as_deref().unwrap_or_default()));
    labels.set(PRODUCER_LABEL, parts.measures.producer_id());
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
