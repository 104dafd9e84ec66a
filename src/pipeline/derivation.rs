//! Derivation: by what the keys and readings of a row become its labels and series.
//!
//! All of it comes out of the configuration and what AXP says of its measures; a reload replaces
//! it as a whole (`pipeline/adoption.rs`).

use std::sync::Arc;

use super::labels::row_labels;
use super::values::set_values;
use crate::label::relabel::Rules;
use crate::parse::measure::{Reading, Value};
use crate::parse::measures::Measures;
use crate::reject::{ReadingReject, RowReject};
use crate::table::rows::{RowId, Table};

/// What a producer's series and labels are made by.
#[derive(Debug)]
pub(super) struct Derivation {
    /// The producer's measures.
    pub(super) measures: Measures,
    /// The relabel rules.
    pub(super) rules: Arc<Rules>,
}

impl Derivation {
    /// Sets a row's readings, of which those that the row cannot take say so after that; gives the
    /// row its labels where it is new or a promoted text has changed.
    ///
    /// # Errors
    /// Why the row is not shown, where that was found out just now.
    pub(super) fn set_row(
        &mut self,
        table: &mut Table,
        id: RowId,
        is_new: bool,
        readings: &mut [Reading<'_>],
    ) -> Result<(), RowReject> {
        let mut texts_changed = false;
        let relabel = self.measures.has_promoted()
            && set_values(table, &mut self.measures, id, readings, true, &mut texts_changed);
        let mut placed = Ok(());
        if is_new || relabel {
            let mut collided = Vec::new();
            let labels = row_labels(self, table, id, &mut collided);
            for reading in readings.iter_mut().filter(|reading| collided.contains(&reading.measure)) {
                reading.value = Value::Refused(ReadingReject::LabelCollision);
            }
            placed = table.place(id, labels);
        }
        set_values(table, &mut self.measures, id, readings, false, &mut texts_changed);
        if texts_changed {
            table.rebuild_info(id);
        }
        placed
    }
}
