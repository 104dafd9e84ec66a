//! Placing: which rows are shown, which wait, and what that does to the counts.
//!
//! Places are held by the values of rows that are shown or wait, so that a row changes
//! between the two, or its labels, without losing any. A row that is neither holds no
//! values but promoted texts.

use std::sync::Arc;

use super::{ColumnId, RowId, Table};
use crate::config::Kind;
use crate::label::labels::Labels;
use crate::reject::RowReject;
use crate::table::column::Column;
use crate::table::row::{STATE_LABEL, Standing};

impl Table {
    /// Gives a row its labels, or hides it for the reason why it has none.
    ///
    /// # Errors
    /// That reason, or [`RowReject::LabelCollision`] where another row has the labels;
    /// the row then waits for its place.
    pub fn place(&mut self, id: RowId, labels: Result<Labels, RowReject>) -> Result<(), RowReject> {
        let unchanged = |labels: &Labels| {
            self.row(id).is_some_and(|row| row.standing == Standing::Shown && row.face.labels == *labels)
        };
        if labels.as_ref().is_ok_and(unchanged) {
            return Ok(());
        }
        self.leave(id);
        let labels = match labels {
            Ok(labels) => labels,
            Err(reject) => {
                self.clear_where(id, |column| !column.spec.promoted);
                let hidden = if reject == RowReject::Relabel { Standing::Dropped } else { Standing::Refused };
                if let Some(row) = self.row_mut(id) {
                    row.set_labels(Labels::new());
                    row.standing = hidden;
                }
                return Err(reject);
            }
        };
        self.claim_names(&labels);
        if labels.contains(STATE_LABEL) {
            self.clear_where(id, |column| column.spec.kind == Kind::State);
        }
        let Some(row) = self.rows.get_mut(id).and_then(Option::as_mut) else { return Ok(()) };
        row.set_labels(labels);
        let text = Arc::clone(&row.face.text);
        if self.shown.contains_key(&text) {
            self.last_turn += 1;
            row.standing = Standing::Waiting;
            row.face.turn = self.last_turn;
            self.waiting.insert((text, self.last_turn), id);
            return Err(RowReject::LabelCollision);
        }
        self.show(text, id);
        Ok(())
    }

    /// Takes the names of labels from the texts of all rows, for good. Where one row had a
    /// name as a label and another as a text, both could come to the same info series.
    fn claim_names(&mut self, labels: &Labels) {
        for index in 0..self.columns.len() {
            let Some(column) = self.columns.get_mut(index) else { continue };
            let is_text = column.is_text() && !column.spec.promoted;
            if !is_text || column.is_label || !labels.contains(&column.spec.field) {
                continue;
            }
            column.is_label = true;
            let Ok(column) = ColumnId::try_from(index) else { continue };
            for id in 0..self.rows.len() {
                if self.clear(id, column) {
                    self.rebuild_info(id);
                }
            }
        }
    }

    /// Shows a row under its labels, which nobody else has.
    fn show(&mut self, text: Arc<str>, id: RowId) {
        self.shown.insert(text, id);
        self.order.take();
        self.rebuild_info(id);
        let Some(Some(row)) = self.rows.get_mut(id) else { return };
        row.standing = Standing::Shown;
        if row.info_texts > 0 {
            self.series += 1;
            self.infos += 1;
        }
        for column in self.columns.iter_mut().filter(|column| !column.is_text()) {
            if self.cells.get(id * self.stride + column.slot).is_some_and(|cell| !cell.is_nan()) {
                column.shown += 1;
                self.series += column.weight();
            }
        }
    }

    /// Takes a row out of what is shown or waits; shows the next one with its labels. Its
    /// values, and their places, it keeps.
    pub(super) fn leave(&mut self, id: RowId) {
        let Some(Some(row)) = self.rows.get_mut(id) else { return };
        let text = Arc::clone(&row.face.text);
        if row.standing == Standing::Waiting {
            self.waiting.remove(&(text, row.face.turn));
        } else if row.standing == Standing::Shown {
            // Until it is placed again it counts as one that waits.
            row.standing = Standing::Waiting;
            if row.info_texts > 0 {
                self.series -= 1;
                self.infos -= 1;
            }
            for column in self.columns.iter_mut().filter(|column| !column.is_text()) {
                if self.cells.get(id * self.stride + column.slot).is_some_and(|cell| !cell.is_nan()) {
                    column.shown -= 1;
                    self.series -= column.weight();
                }
            }
            self.shown.remove(&text);
            self.order.take();
            self.show_next(&text);
        }
    }

    /// Shows the row that has waited longest for these labels.
    fn show_next(&mut self, text: &Arc<str>) {
        let turns = (Arc::clone(text), 0)..=(Arc::clone(text), u64::MAX);
        let next = self.waiting.range(turns).next().map(|((_, turn), id)| (*turn, *id));
        if let Some((turn, id)) = next {
            self.waiting.remove(&(Arc::clone(text), turn));
            self.show(Arc::clone(text), id);
        }
    }

    /// Removes the values of a row in the columns that `goes` names.
    pub(super) fn clear_where(&mut self, id: RowId, goes: impl Fn(&Column) -> bool) {
        for index in 0..self.columns.len() {
            if let (true, Ok(column)) =
                (self.columns.get(index).is_some_and(&goes), ColumnId::try_from(index))
            {
                self.clear(id, column);
            }
        }
    }
}
