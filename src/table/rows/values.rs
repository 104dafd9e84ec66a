//! Values: what the cells of a row hold, and what that does to the counts.
//!
//! A cell holds a number, the place of a state in its column's list, or the id of a text; NaN
//! where there is no value.

use super::{ColumnId, RowId, Table};
use crate::reject::ReadingReject;
use crate::table::column::Column;
use crate::table::row::Standing;
use crate::table::texts::TextId;

impl Table {
    /// Sets a cell to a number.
    ///
    /// A row that is neither shown nor waiting keeps no values, so nothing is set there.
    ///
    /// # Errors
    /// [`ReadingReject::SeriesLimit`] where the series is new and there is no place for it.
    pub fn set_cell(&mut self, id: RowId, column: ColumnId, value: f64) -> Result<(), ReadingReject> {
        let (Some(Some(row)), Some(column)) = (self.rows.get(id), self.columns.get_mut(column as usize))
        else {
            return Ok(());
        };
        let Some(cell) = self.cells.get_mut(id * self.stride + column.slot) else { return Ok(()) };
        if !row.standing.holds_values() {
            return Ok(());
        }
        if cell.is_nan() {
            if !self.limits.series.take(column.places()) {
                return Err(ReadingReject::SeriesLimit);
            }
            column.held += 1;
            if row.standing == Standing::Shown {
                column.shown += 1;
                self.series += column.weight();
            }
        }
        *cell = value;
        Ok(())
    }

    /// Sets a cell to a state, learning it if the column does; each new state costs a
    /// series in every row that has a value.
    ///
    /// # Errors
    /// [`ReadingReject::TooManyStates`] for a state that may not be learned,
    /// [`ReadingReject::SeriesLimit`] where there is no place for it, and
    /// [`ReadingReject::LabelCollision`] in a row that has a `state` label of its own.
    pub fn set_state(&mut self, id: RowId, column_id: ColumnId, name: &str) -> Result<(), ReadingReject> {
        let (Some(Some(row)), Some(column)) = (self.rows.get(id), self.columns.get_mut(column_id as usize))
        else {
            return Ok(());
        };
        if !row.standing.holds_values() {
            return Ok(());
        }
        if row.has_state_label {
            return Err(ReadingReject::LabelCollision);
        }
        let index = match column.state(name) {
            Some(index) => index,
            None if !column.learns() => return Err(ReadingReject::TooManyStates),
            None if !self.limits.series.take(column.held) => return Err(ReadingReject::SeriesLimit),
            None => {
                self.series += column.shown;
                column.push_state(name);
                column.states.len() - 1
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "at most 32 states")]
        self.set_cell(id, column_id, index as f64)
    }

    /// Adds the states that another table's column has learned to those of this one, if it learns.
    pub fn learn_states<'s>(&mut self, column: ColumnId, states: impl Iterator<Item = &'s str>) {
        let Some(column) = self.columns.get_mut(column as usize).filter(|column| column.held == 0) else {
            return;
        };
        for state in states {
            if column.learns() && column.state(state).is_none() {
                column.push_state(state);
            }
        }
    }

    /// Sets a text; true if it differs from the one before.
    ///
    /// A promoted text is kept whatever the row's standing, since that may depend on it.
    ///
    /// # Errors
    /// [`ReadingReject::SeriesLimit`] where it is new and there is no place for it,
    /// [`ReadingReject::LabelCollision`] where the row has a label of this name with
    /// another value, or where another row has such a label.
    pub fn set_text(&mut self, id: RowId, column: ColumnId, text: &str) -> Result<bool, ReadingReject> {
        let (Some(Some(row)), Some(column)) = (self.rows.get_mut(id), self.columns.get_mut(column as usize))
        else {
            return Ok(false);
        };
        let Some(cell) = self.cells.get_mut(id * self.stride + column.slot) else { return Ok(false) };
        let old = text_id(*cell);
        if old.is_some_and(|old| self.texts.get(old) == text) {
            return Ok(false);
        }
        let Column { spec, is_label, .. } = &*column;
        if !(spec.promoted || row.standing.holds_values()) {
            return Ok(false);
        }
        // Where the row has no such label, its value is empty.
        if !spec.promoted && *is_label && row.face.labels.get(&spec.field) != text {
            return Err(ReadingReject::LabelCollision);
        }
        if let Some(old) = old {
            self.texts.release(old);
        } else {
            if !self.limits.series.take(column.places()) {
                return Err(ReadingReject::SeriesLimit);
            }
            column.held += 1;
            row.info_texts += u32::from(!column.spec.promoted);
            if row.info_texts == 1 && !column.spec.promoted && row.standing == Standing::Shown {
                self.series += 1;
                self.infos += 1;
            }
        }
        *cell = f64::from(self.texts.hold(text));
        Ok(true)
    }

    /// Removes a value; true if it was a text that was there.
    pub fn clear(&mut self, id: RowId, column: ColumnId) -> bool {
        let (Some(Some(row)), Some(column)) = (self.rows.get_mut(id), self.columns.get_mut(column as usize))
        else {
            return false;
        };
        let Some(cell) = self.cells.get_mut(id * self.stride + column.slot) else { return false };
        if cell.is_nan() {
            return false;
        }
        let is_shown = row.standing == Standing::Shown;
        self.limits.series.give_back(column.places());
        column.held -= 1;
        if column.is_text() {
            if let Some(text) = text_id(*cell) {
                self.texts.release(text);
            }
            row.info_texts -= u32::from(!column.spec.promoted);
            if row.info_texts == 0 && !column.spec.promoted && is_shown {
                self.series -= 1;
                self.infos -= 1;
            }
        } else if is_shown {
            column.shown -= 1;
            self.series -= column.weight();
        }
        *cell = f64::NAN;
        column.is_text()
    }

    /// Builds a row's info text anew, after its texts changed.
    pub fn rebuild_info(&mut self, id: RowId) {
        let Self { rows, columns, cells, stride, texts, .. } = self;
        let Some(Some(row)) = rows.get_mut(id) else { return };
        row.rebuild_info(
            columns.iter().filter(|column| column.is_text() && !column.spec.promoted).filter_map(|column| {
                let text = text_id(*cells.get(id * *stride + column.slot)?)?;
                Some((&*column.spec.field, texts.get(text)))
            }),
        );
    }

    /// A text of a row.
    pub fn text(&self, id: RowId, column: ColumnId) -> Option<&str> {
        self.text_at(id, self.columns.get(column as usize)?)
    }

    /// The same, of one of this table's columns.
    pub fn text_at(&self, id: RowId, column: &Column) -> Option<&str> {
        text_id(self.cell(id, column.slot)).filter(|_| column.is_text()).map(|text| self.texts.get(text))
    }
}

/// The text that a cell of a text column holds.
fn text_id(cell: f64) -> Option<TextId> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was put there as an id")]
    (!cell.is_nan()).then_some(cell as TextId)
}
