//! Placing: which rows are shown, which wait, and the places their series take.

use std::sync::Arc;

use super::{RowId, STATE_LABEL, Table};
use crate::config::Kind;
use crate::label::labels::Labels;
use crate::reject::RowReject;
use crate::table::column::Slot;
use crate::table::row::Standing;

impl Table {
    /// Gives a row its labels, or hides it for the reason why it has none.
    ///
    /// # Errors
    /// That reason, or [`RowReject::LabelCollision`] where another row has the labels;
    /// the row then waits for its place. A hidden row keeps its values.
    pub fn place(&mut self, id: RowId, labels: Result<Labels, RowReject>) -> Result<(), RowReject> {
        self.unplace(id);
        let Some(row) = self.rows.get_mut(id).and_then(Option::as_mut) else {
            return Ok(());
        };
        match labels {
            Ok(labels) => row.set_labels(labels),
            Err(reject) => {
                row.set_labels(Labels::new());
                row.standing =
                    if reject == RowReject::Relabel { Standing::Dropped } else { Standing::Refused };
                return Err(reject);
            }
        }
        let text = Arc::clone(&row.text);
        if self.shown.contains_key(&text) {
            row.standing = Standing::Waiting;
            self.waiting.entry(text).or_default().push(id);
            return Err(RowReject::LabelCollision);
        }
        self.shown.insert(text, id);
        self.show(id);
        Ok(())
    }

    /// Takes places for all of a row's values; what finds none is removed.
    fn show(&mut self, id: RowId) {
        let Some(Some(row)) = self.rows.get_mut(id) else {
            return;
        };
        row.standing = Standing::Shown;
        let has_state_label = row.labels.contains(STATE_LABEL);
        for column in &mut self.columns {
            let Slot::Cell(slot) = column.slot else {
                continue;
            };
            let Some(cell) = self.cells.get_mut(id * self.stride + slot).filter(|cell| !cell.is_nan()) else {
                continue;
            };
            let collides = column.spec.kind == Kind::State && has_state_label;
            if !collides && self.limits.series.take(column.weight()) {
                self.series += column.weight();
                column.present += 1;
            } else {
                *cell = f64::NAN;
            }
        }
        if row.info_texts > 0 {
            if self.limits.series.take(1) {
                self.series += 1;
                self.infos += 1;
            } else {
                row.info_texts = 0;
                for column in self.columns.iter().filter(|column| !column.spec.promoted) {
                    if let Slot::Text(slot) = column.slot
                        && let Some(text) = row.texts.get_mut(slot)
                    {
                        *text = None;
                    }
                }
            }
        }
        row.rebuild_info(&self.columns);
    }

    /// Takes a row out of what is shown or waits; shows the next one with its labels.
    pub(super) fn unplace(&mut self, id: RowId) {
        let Some(Some(row)) = self.rows.get_mut(id) else {
            return;
        };
        let text = Arc::clone(&row.text);
        match std::mem::replace(&mut row.standing, Standing::Dropped) {
            Standing::Dropped | Standing::Refused => {}
            Standing::Waiting => {
                if let Some(line) = self.waiting.get_mut(&text) {
                    line.retain(|other| *other != id);
                    if line.is_empty() {
                        self.waiting.remove(&text);
                    }
                }
            }
            Standing::Shown => {
                self.hide(id);
                self.shown.remove(&text);
                let Some(line) = self.waiting.get_mut(&text) else {
                    return;
                };
                let next = (!line.is_empty()).then(|| line.remove(0));
                if line.is_empty() {
                    self.waiting.remove(&text);
                }
                if let Some(next) = next {
                    self.shown.insert(text, next);
                    self.show(next);
                }
            }
        }
    }

    /// Gives back the places of a row that was shown.
    fn hide(&mut self, id: RowId) {
        let Some(Some(row)) = self.rows.get(id) else {
            return;
        };
        let mut places = usize::from(row.info_texts > 0);
        self.infos -= places;
        for column in &mut self.columns {
            if let Slot::Cell(slot) = column.slot
                && self.cells.get(id * self.stride + slot).is_some_and(|cell| !cell.is_nan())
            {
                places += column.weight();
                column.present -= 1;
            }
        }
        self.series -= places;
        self.limits.series.give_back(places);
    }
}
