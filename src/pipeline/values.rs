//! Readings into a row: columns made as they are needed, values set, texts noticed.

use crate::config::Kind;
use crate::label::labels::clean_value;
use crate::parse::measure::{Measure, Reading, Value, Verdict};
use crate::parse::measures::Measures;
use crate::reject::ReadingReject;
use crate::sink::line::Field;
use crate::table::column::{Column, ColumnSpec};
use crate::table::rows::{ColumnId, RowId, Table};

/// Most bytes of AXP's own words in a HELP text.
const DESCRIPTION_BYTES_MAX: usize = 300;

/// Sets the readings of promoted texts, or of all others; true if one was promoted and
/// changed. What the table refuses becomes a refused reading, and what the row held goes.
pub(super) fn set_values(
    table: &mut Table,
    measures: &mut Measures,
    id: RowId,
    readings: &mut [Reading<'_>],
    promoted: bool,
    texts_changed: &mut bool,
) -> bool {
    let mut relabel = false;
    for reading in readings {
        if reading.value == Value::Refused(ReadingReject::Superseded) {
            continue;
        }
        let Some(measure) = measures.get_mut(reading.measure).filter(|measure| measure.promoted == promoted)
        else {
            continue;
        };
        let has_value = !matches!(reading.value, Value::Absent | Value::Refused(_));
        let Some(column) = column_of(table, measure, has_value) else {
            continue;
        };
        let set = match &reading.value {
            Value::Number(value) => table.set_cell(id, column, *value),
            Value::State(state) => table.set_state(id, column, state),
            Value::Text(text) => table.set_text(id, column, text).map(|changed| {
                relabel |= promoted && changed;
                *texts_changed |= changed;
            }),
            Value::Absent | Value::Refused(_) => {
                let cleared = table.clear(id, column);
                relabel |= promoted && cleared;
                *texts_changed |= cleared;
                Ok(())
            }
        };
        if let Err(reject) = set {
            *texts_changed |= table.clear(id, column);
            reading.value = Value::Refused(reject);
        }
    }
    relabel
}

/// The measure's column, made when its first value comes.
pub(super) fn column_of(table: &mut Table, measure: &mut Measure, has_value: bool) -> Option<ColumnId> {
    let is_due = has_value && measure.column.is_none() && measure.verdict == Verdict::Exported;
    if let Some(kind) = measure.kind.filter(|_| is_due) {
        measure.column = Some(table.add_column(ColumnSpec {
            metric: format!("axp_{}_{}", table.stem(), measure.field),
            field: measure.field.to_string(),
            help: help(measure, kind, table.producer_id()),
            kind,
            promoted: measure.promoted,
            states: measure.states.clone(),
        }));
    }
    measure.column
}

/// One line of help: AXP's own words where it gave some, the measure, and how to read it.
fn help(measure: &Measure, kind: Kind, producer_id: &str) -> String {
    let reading = match kind {
        Kind::Number if measure.field.ends_with("_ratio") => "as a ratio",
        Kind::Number => "as published",
        Kind::Duration => "in seconds",
        Kind::Timestamp => "as Unix time in seconds, absent when 0",
        Kind::Boolean => "1 for true and 0 for false",
        Kind::State => "1 for the current state and 0 for the others",
        Kind::Text => "as text",
    };
    let description = clean_value(&measure.description, DESCRIPTION_BYTES_MAX);
    let description = description.trim().trim_end_matches('.');
    let lead = if description.is_empty() { "AXP measure" } else { description };
    let name = clean_value(&measure.name, DESCRIPTION_BYTES_MAX);
    format!("{lead} ({name} of {producer_id}, {reading})")
}

/// A value of a measure of this kind as a field of a line; none where there is no value.
pub(super) fn field_of<'a>(kind: Option<Kind>, value: &'a Value<'_>) -> Option<Field<'a>> {
    match value {
        #[expect(clippy::float_cmp, reason = "a boolean is exactly 0 or 1")]
        Value::Number(value) if kind == Some(Kind::Boolean) => Some(Field::Boolean(*value == 1.0)),
        Value::Number(value) => Some(Field::Number(*value)),
        Value::State(state) => Some(Field::Text(state)),
        Value::Text(text) => Some(Field::Text(text)),
        Value::Absent | Value::Refused(_) => None,
    }
}

/// What a row holds in a column.
pub(super) fn value_of<'t>(table: &'t Table, id: RowId, column: &'t Column) -> Option<Value<'t>> {
    let cell = Some(table.cell(id, column.slot)).filter(|cell| !cell.is_nan())?;
    match column.spec.kind {
        Kind::Text => table.text_at(id, column).map(|text| Value::Text(text.into())),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a place in a list"
        )]
        Kind::State => column.states.get(cell as usize).map(|state| Value::State((&*state.name).into())),
        _ => Some(Value::Number(cell)),
    }
}
