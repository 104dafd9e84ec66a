//! What the table promises: places, standing, counts.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::config::Kind;
use crate::label::labels::Labels;
use crate::reject::ReadingReject;
use crate::table::row::Standing;

fn spec(kind: Kind, name: &str) -> ColumnSpec {
    ColumnSpec {
        metric: format!("axp_t_{name}"),
        field: name.to_owned(),
        help: String::new(),
        kind,
        promoted: false,
        states: Vec::new(),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let mut labels = Labels::new();
    for (name, value) in pairs {
        labels.set(name, *value);
    }
    labels
}

fn table(series: usize) -> Table {
    Table::new("T_1", "t", Limits::new(series))
}

fn row(table: &mut Table, name: &str) -> RowId {
    let id = table.insert(name).unwrap();
    table.place(id, Ok(labels(&[("a", name)]))).unwrap();
    id
}

#[test]
fn a_retired_row_gives_its_places_back() {
    let mut table = table(2);
    let column = table.add_column(spec(Kind::Number, "n"));
    let (one, two) = (row(&mut table, "1"), row(&mut table, "2"));
    assert_eq!(table.insert("3"), Err(RowReject::RowLimit));
    table.set_cell(one, column, 1.0).unwrap();
    table.set_cell(two, column, 2.0).unwrap();
    table.retire(one);
    assert_eq!(table.find("1"), None);
    let three = row(&mut table, "3");
    assert!(table.cell(three, 0).is_nan(), "a new row in an old place starts empty");
    table.set_cell(three, column, 3.0).unwrap();
    assert_eq!((table.series(), table.rows_held()), (2, 2));
}

#[test]
fn new_series_past_the_limit_are_refused_and_old_ones_go_on() {
    let mut table = table(2);
    let columns = [
        table.add_column(spec(Kind::Number, "a")),
        table.add_column(spec(Kind::Number, "b")),
        table.add_column(spec(Kind::Number, "c")),
    ];
    let id = row(&mut table, "1");
    table.set_cell(id, columns[0], 1.0).unwrap();
    table.set_cell(id, columns[1], 1.0).unwrap();
    assert_eq!(table.set_cell(id, columns[2], 1.0), Err(ReadingReject::SeriesLimit));
    assert_eq!(table.set_cell(id, columns[0], 2.0), Ok(()));
    table.clear(id, columns[1]);
    assert_eq!(table.set_cell(id, columns[2], 1.0), Ok(()));
}

#[test]
fn each_state_is_a_series_and_one_that_finds_no_place_costs_itself_alone() {
    let mut table = table(5);
    let column = table.add_column(spec(Kind::State, "s"));
    let (one, two) = (row(&mut table, "1"), row(&mut table, "2"));
    table.set_state(one, column, "A").unwrap();
    table.set_state(two, column, "A").unwrap();
    table.set_state(two, column, "B").unwrap();
    assert_eq!(table.series(), 4);
    assert_eq!(table.set_state(one, column, "C"), Err(ReadingReject::SeriesLimit));
    table.set_state(one, column, "B").unwrap();
    table.set_state(two, column, "A").unwrap();
    assert_eq!(table.series(), 4, "those that exist go on");
    table.retire(two);
    table.set_state(one, column, "C").unwrap();
    assert_eq!(table.series(), 3);
}

#[test]
fn of_rows_with_equal_labels_the_first_is_shown_until_it_goes_and_then_the_next() {
    let mut table = table(10);
    let column = table.add_column(spec(Kind::Number, "n"));
    let ids = ["1", "2", "3", "4"].map(|identity| table.insert(identity).unwrap());
    // They come in another order than that of their places.
    for (turn, index) in [2, 3, 0, 1].into_iter().enumerate() {
        let placed = table.place(ids[index], Ok(labels(&[("a", "x")])));
        assert_eq!(placed, if turn == 0 { Ok(()) } else { Err(RowReject::LabelCollision) });
        table.set_cell(ids[index], column, 1.0).unwrap();
    }
    table.retire(ids[0]);
    for index in [2, 3, 1] {
        assert_eq!(table.shown().map(|(id, _)| id).collect::<Vec<_>>(), [ids[index]]);
        assert_eq!(table.series(), 1);
        table.retire(ids[index]);
    }
    assert_eq!(table.series(), 0);
}

#[test]
fn rows_that_wait_in_a_crowd_go_as_quickly_as_others() {
    let mut table = table(40_000);
    for name in 0..40_000 {
        let id = table.insert(&name.to_string()).unwrap();
        let _ = table.place(id, Ok(labels(&[("a", "x")])));
    }
    let begun = Instant::now();
    assert_eq!(table.retire_where(|row| row.standing == Standing::Waiting), 39_999);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(table.shown().map(|(_, row)| &*row.identity).collect::<Vec<_>>(), ["0"]);
}

#[test]
fn a_row_of_long_keys_takes_the_place_of_several() {
    let mut table = table(3);
    let long = |letter: &str| letter.repeat(PLACE_BYTES + 1);
    let id = table.insert(&long("a")).unwrap();
    assert_eq!(table.insert(&long("b")), Err(RowReject::RowLimit));
    table.insert("c").unwrap();
    assert_eq!(table.insert("d"), Err(RowReject::RowLimit));
    table.retire(id);
    table.insert(&long("b")).unwrap();
}

#[test]
fn a_label_of_the_row_is_never_doubled() {
    let mut table = table(10);
    let state = table.add_column(spec(Kind::State, "s"));
    let text = table.add_column(spec(Kind::Text, "agent_id"));
    let id = table.insert("1").unwrap();
    table.place(id, Ok(labels(&[("agent_id", "7"), ("state", "x")]))).unwrap();
    assert_eq!(table.set_state(id, state, "A"), Err(ReadingReject::LabelCollision));
    assert_eq!(table.set_text(id, text, "8"), Err(ReadingReject::LabelCollision));
    assert_eq!(table.set_text(id, text, "7"), Ok(true));
    table.rebuild_info(id);
    assert_eq!(table.row(id).unwrap().face.info, r#"agent_id="7",state="x""#);
}

#[test]
fn a_row_without_labels_keeps_its_promoted_texts_alone() {
    let mut table = table(10);
    let number = table.add_column(spec(Kind::Number, "n"));
    let promoted = table.add_column(ColumnSpec { promoted: true, ..spec(Kind::Text, "t") });
    let id = table.insert("1").unwrap();
    table.set_text(id, promoted, "x").unwrap();
    for (reject, standing) in
        [(RowReject::Relabel, Standing::Dropped), (RowReject::DuplicateLabel, Standing::Refused)]
    {
        table.place(id, Ok(labels(&[("t", "x")]))).unwrap();
        table.set_cell(id, number, 1.0).unwrap();
        assert_eq!(table.place(id, Err(reject)), Err(reject));
        assert_eq!(table.row(id).unwrap().standing, standing);
        assert!(table.cell(id, 0).is_nan());
        assert_eq!(table.text(id, promoted), Some("x"));
    }
}

#[test]
fn a_row_that_gets_a_state_label_loses_its_states_alone() {
    let mut table = table(10);
    let number = table.add_column(spec(Kind::Number, "n"));
    let state = table.add_column(spec(Kind::State, "s"));
    let id = row(&mut table, "1");
    table.set_cell(id, number, 1.0).unwrap();
    table.set_state(id, state, "A").unwrap();
    table.place(id, Ok(labels(&[("state", "x")]))).unwrap();
    assert_eq!(table.cell(id, 0).to_bits(), 1.0f64.to_bits());
    assert!(table.cell(id, 1).is_nan());
}

#[test]
fn a_name_that_becomes_a_label_is_no_text_any_more() {
    let mut table = table(10);
    let text = table.add_column(spec(Kind::Text, "site"));
    let (one, two) = (row(&mut table, "1"), table.insert("2").unwrap());
    assert_eq!(table.set_text(one, text, "x"), Ok(true));
    table.place(two, Ok(labels(&[("site", "x")]))).unwrap();
    assert_eq!((table.text(one, text), table.infos()), (None, 0));
    assert_eq!(table.set_text(one, text, "x"), Err(ReadingReject::LabelCollision));
}

#[test]
fn rows_shown_come_before_those_that_wait_and_hidden_ones_last() {
    let mut table = table(10);
    let (hidden, shown) = (table.insert("1").unwrap(), row(&mut table, "a"));
    let waiting = table.insert("3").unwrap();
    assert!(table.place(waiting, Ok(labels(&[("a", "a")]))).is_err());
    let ids: Vec<_> = table.in_precedence().map(|(id, _)| id).collect();
    assert_eq!(ids, [shown, waiting, hidden]);
}

#[test]
fn a_table_that_goes_gives_back_its_own_places_alone() {
    let mut table = table(10);
    let shared = table.limits.clone();
    assert!(shared.series.take(3) && shared.rows.take(3), "another table's");
    let column = table.add_column(spec(Kind::Number, "n"));
    for identity in ["1", "2"] {
        let id = row(&mut table, identity);
        table.set_cell(id, column, 1.0).unwrap();
    }
    drop(table);
    assert_eq!((shared.series.taken(), shared.rows.taken()), (3, 3));
}

proptest! {
    /// Whatever is done, the counts equal what a recount gives.
    #[test]
    fn the_counts_are_those_of_a_recount(
        actions in prop::collection::vec((0u8..7, 0usize..4, 0u32..4), 1..80),
        limit in 1usize..12,
    ) {
        let mut table = table(limit);
        let shared = table.limits.clone();
        for kind in [Kind::Number, Kind::Number, Kind::State, Kind::Text] {
            table.add_column(spec(kind, "x"));
        }
        for (action, row, column) in actions {
            // The last one is long.
            let identity = if row == 3 { "3".repeat(600) } else { row.to_string() };
            // Rows 0 and 1 share their labels.
            let own = labels(&[("a", if row < 2 { "same" } else { &identity })]);
            match (action, table.find(&identity)) {
                (0, Some(id)) => table.retire(id),
                (1, Some(id)) => { table.clear(id, column); }
                (2, Some(id)) => {
                    let _ = table.place(id, if column > 0 { Ok(own) } else { Err(RowReject::Relabel) });
                }
                (_, Some(id)) if column == 3 => { let _ = table.set_text(id, 3, &action.to_string()); }
                (_, Some(id)) if column == 2 => { let _ = table.set_state(id, 2, &action.to_string()); }
                (_, Some(id)) => { let _ = table.set_cell(id, column, f64::from(action)); }
                (_, None) => if let Ok(id) = table.insert(&identity) { let _ = table.place(id, Ok(own)); },
            }
            let (mut series, mut places, mut infos) = (0, 0, 0);
            for (id, row) in table.rows.iter().enumerate().filter_map(|(id, row)| Some((id, row.as_ref()?))) {
                let is_shown = row.standing == Standing::Shown;
                let texts = usize::from(table.text(id, 3).is_some());
                places += texts;
                infos += usize::from(is_shown && texts > 0);
                for column in table.columns() {
                    if !column.is_text() && !table.cell(id, column.slot).is_nan() {
                        places += column.weight();
                        series += if is_shown { column.weight() } else { 0 };
                    }
                }
            }
            prop_assert_eq!(table.series(), series + infos);
            prop_assert_eq!(table.infos(), infos);
            prop_assert_eq!(shared.series.taken(), places);
            prop_assert!(places <= limit);
            let long = usize::from(table.find(&"3".repeat(600)).is_some());
            prop_assert_eq!(shared.rows.taken(), table.rows_held() + 2 * long);
            let mut texts: Vec<_> = table.shown().map(|(_, row)| Arc::clone(&row.face.text)).collect();
            let before = texts.len();
            texts.dedup();
            prop_assert_eq!(texts.len(), before);
        }
        drop(table);
        prop_assert_eq!(shared.series.taken(), 0);
        prop_assert_eq!(shared.rows.taken(), 0);
    }
}
