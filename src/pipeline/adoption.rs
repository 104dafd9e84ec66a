//! Adoption: a pipeline that a reload has made takes the place of the one before.
//!
//! Labels and series are derived anew from each row's keys and values, so that nothing has to be
//! sent again for them to show. What the one before did not keep (denied measures, values of
//! dropped rows, refused readings) only another snapshot can bring.

use super::markers::write_marker;
use super::values::{column_of, value_of};
use super::{Derivation, Moment, Pipeline, write_table};
use crate::config::Kind;
use crate::parse::measure::{Measure, MeasureId, Reading, Verdict};
use crate::parse::measures::Measures;
use crate::reject::{ReadingReject, RetireCause};
use crate::table::column::Column;
use crate::table::row::Standing;
use crate::table::rows::Table;

impl Pipeline {
    /// Takes over the rows of `table`, whose values `measures` have read. For a pipeline that has
    /// seen nothing yet; the one before must not write any more.
    ///
    /// Rows whose labels change leave a marker under the old ones, unless these may hold what is not to
    /// be written any more.
    ///
    /// True if values may show that were not kept: those of a row that was not shown, or of a
    /// measure that had no name.
    pub fn adopt(&mut self, measures: &Measures, table: &Table, now: Moment) -> bool {
        let (mut markers, mut retired, mut lacks_values) = (Vec::new(), 0, false);
        let Self { parts, .. } = self;
        let mut heirs = write_table(&parts.table);
        parts.derivation.measures.inherit(measures);
        let may_name_old = parts.derivation.measures.privacy().is_like(measures.privacy());
        // The name that one was refused for may be free now.
        let is_nameless =
            |measure: &Measure| measure.verdict == Verdict::Refused(ReadingReject::NameCollision);
        lacks_values |= measures.iter().any(is_nameless);
        let columns = columns(measures, table);
        parts.derivation.learn_states(&mut heirs, &columns);
        let mut readings = Vec::new();
        for (id, row) in table.in_precedence() {
            readings.extend(columns.iter().filter_map(|(measure, column)| {
                let value = value_of(table, id, column)?;
                let value = parts.derivation.measures.reread(measures, *measure, value);
                Some(Reading { measure: *measure, value })
            }));
            let was_shown = row.standing == Standing::Shown;
            let placed = heirs.insert(&row.identity).and_then(|heir| {
                heirs.row_mut(heir).into_iter().for_each(|heir| heir.inherit(row));
                parts.derivation.set_row(&mut heirs, heir, true, &mut readings)
            });
            readings.clear();
            let heir = heirs.find(&row.identity).and_then(|heir| heirs.row(heir));
            // Why others are not shown has been counted before.
            if let Err(reject) = placed
                && was_shown
            {
                parts.metrics.row_refused(reject);
                retired += 1;
            }
            lacks_values |=
                heir.is_some_and(|heir| heir.standing.holds_values() && !row.standing.holds_values());
            if may_name_old && !heir.is_some_and(|heir| heir.is_shown_as(row)) {
                write_marker(&mut markers, table.stem(), row, now);
            }
        }
        drop(heirs);
        parts.send_markers(&markers);
        parts.metrics.rows_retired(RetireCause::Reload, retired);
        lacks_values
    }

    /// Goes on where `before` stands, whose rows were adopted.
    pub fn succeed(&mut self, before: Self) {
        self.sessions = before.sessions;
        self.sessions.set_quiet(self.parts.snapshot_quiet);
        self.told_at = before.told_at;
        self.stale_at = before.stale_at;
        self.refusals = before.refusals;
        self.refusals.hide(self.parts.derivation.measures.privacy());
    }
}

impl Derivation {
    /// Has the states at hand that were learned before, so that all their series go on.
    fn learn_states(&mut self, table: &mut Table, columns: &[(MeasureId, &Column)]) {
        for (id, before) in columns {
            let Some(measure) = self.measures.get_mut(*id) else { continue };
            let is_state = measure.kind == Some(Kind::State) && before.spec.kind == Kind::State;
            if is_state && let Some(column) = column_of(table, measure, true) {
                table.learn_states(column, before.states.iter().map(|state| &*state.name));
            }
        }
    }
}

/// The measures that have a column, with it.
fn columns<'t>(measures: &Measures, table: &'t Table) -> Vec<(MeasureId, &'t Column)> {
    let column = |column: u32| table.columns().get(column as usize);
    let measures = measures.iter().enumerate();
    measures.filter_map(|(id, measure)| Some((id, measure.column.and_then(column)?))).collect()
}
