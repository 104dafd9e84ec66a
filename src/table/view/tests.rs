//! What is copied, whatever happens between two bites.

use super::*;
use crate::label::labels::Labels;
use crate::table::column::ColumnSpec;
use crate::table::rows::{Limits, RowId};

fn labels(queue: &str) -> Labels {
    [("queue", queue)].into_iter().collect()
}

fn spec(kind: Kind, name: &str) -> ColumnSpec {
    let (metric, field) = (format!("axp_t_{name}"), name.to_owned());
    ColumnSpec { metric, field, help: String::new(), kind, promoted: false, states: Vec::new() }
}

fn add_row(table: &mut Table, queue: &str) -> RowId {
    let id = table.insert(queue).unwrap();
    table.place(id, Ok(labels(queue))).unwrap();
    table.set_cell(id, 0, 1.0).unwrap();
    id
}

/// A table with a row each for `a` to `e`.
fn table() -> (RwLock<Table>, Vec<RowId>) {
    let mut table = Table::new("T_1", "t", Limits::new(100));
    table.add_column(spec(Kind::Number, "n"));
    let ids = ["a", "b", "c", "d", "e"].map(|queue| add_row(&mut table, queue)).to_vec();
    (RwLock::new(table), ids)
}

fn samples(view: &View) -> Vec<(String, f64)> {
    let plain = |labels: &str| labels.replace("{queue=\"", "").replace("\"} ", "");
    let samples = view.columns.iter().flat_map(|column| view.samples(column));
    samples.map(|(labels, value)| (plain(labels), value)).collect()
}

fn queues(view: &View) -> String {
    samples(view).into_iter().map(|(queue, _)| queue).collect()
}

#[test]
fn however_small_the_bites_every_row_is_in_it_once_with_its_cells() {
    let (table, ids) = table();
    let mut changed = table.write().unwrap();
    let text = changed.add_column(spec(Kind::Text, "name"));
    changed.set_text(ids[1], text, "x").unwrap();
    changed.rebuild_info(ids[1]);
    changed.set_cell(ids[4], 0, 5.0).unwrap();
    drop(changed);
    for bite in 1..7 {
        let view = View::take(&table, &Pick::default(), bite, || ()).unwrap();
        let values = [("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0), ("e", 5.0)];
        assert_eq!(samples(&view), values.map(|(queue, value)| (queue.to_owned(), value)));
        assert_eq!(view.infos().collect::<Vec<_>>(), [r#"{name="x",queue="b"} "#]);
        assert_eq!((view.series(), view.rows_held), (table.read().unwrap().series(), 5));
    }
}

#[test]
fn of_families_that_are_not_picked_nothing_is_copied() {
    let (table, ids) = table();
    let mut changed = table.write().unwrap();
    let (other, text) =
        (changed.add_column(spec(Kind::Number, "m")), changed.add_column(spec(Kind::Text, "name")));
    for id in &ids {
        changed.set_cell(*id, other, 2.0).unwrap();
        changed.set_text(*id, text, "x").unwrap();
        changed.rebuild_info(*id);
    }
    drop(changed);
    for (names, cells, infos) in [
        (vec![], 10, 5),
        (vec!["axp_t_m"], 5, 0),
        (vec!["axp_t_n", "axp_t_info"], 5, 5),
        (vec!["axp_t"], 0, 5),
        (vec!["axp_t_name", "axp", "axp_t_m_info"], 0, 0),
    ] {
        let pick = Pick::new(names.iter().map(|name| (*name).to_owned()));
        for bite in [2, 7] {
            let view = View::take(&table, &pick, bite, || ()).unwrap();
            let copied: usize = view.columns.iter().map(|column| column.cells.len()).sum();
            assert_eq!((copied, view.infos().count()), (cells, infos), "{names:?}");
        }
    }
}

#[test]
fn a_row_that_comes_goes_or_moves_meanwhile_is_neither_lost_nor_twice_there() {
    type Change = fn(&mut Table, RowId);
    let changes: [(Change, &str); 3] = [
        (|table, id| table.retire(id), "bcde"),
        (|table, _| assert!(add_row(table, "x") > 0), "abcdex"),
        (|table, id| table.place(id, Ok(labels("z"))).unwrap(), "bcdez"),
    ];
    for (change, expected) in changes {
        let (table, ids) = table();
        let once = std::cell::Cell::new(true);
        let between = || {
            if once.take() {
                change(&mut table.write().unwrap(), ids[0]);
            }
        };
        assert!(View::take(&table, &Pick::default(), 2, between).is_none(), "the copy has to begin anew");
        assert_eq!(queues(&View::of(&table, &Pick::default())), expected);
    }
}

#[test]
fn of_an_event_between_two_bites_a_first_value_is_shown_with_the_others() {
    for comes_late in [false, true] {
        let (table, ids) = table();
        let add = || table.write().unwrap().add_column(spec(Kind::Number, "first"));
        let early = (!comes_late).then(add);
        let once = std::cell::Cell::new(true);
        let between = || {
            if once.take() {
                let first = early.unwrap_or_else(add);
                let mut table = table.write().unwrap();
                table.set_cell(ids[4], 0, 5.0).unwrap();
                table.set_cell(ids[4], first, 6.0).unwrap();
            }
        };
        let view = View::take(&table, &Pick::default(), 2, between);
        assert_eq!(view.is_none(), comes_late);
        let view = view.unwrap_or_else(|| View::of(&table, &Pick::default()));
        let last = |column: &Shown| view.samples(column).last().unwrap().1;
        assert_eq!(view.columns.iter().map(last).collect::<Vec<_>>(), [5.0, 6.0]);
    }
}

#[test]
fn a_table_whose_rows_never_rest_is_copied_at_once() {
    let (table, ids) = table();
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| {
            for name in 0..2000 {
                table.write().unwrap().place(ids[1], Ok(labels(&format!("{}", name % 7)))).unwrap();
            }
        });
        while !moving.is_finished() {
            assert_eq!(samples(&View::of(&table, &Pick::default())).len(), 5);
        }
    });
}

#[test]
fn columns_and_states_that_come_meanwhile_do_no_harm() {
    let (table, ids) = table();
    let state = table.write().unwrap().add_column(spec(Kind::State, "s"));
    for id in [ids[0], ids[1]] {
        table.write().unwrap().set_state(id, state, "READY").unwrap();
    }
    let between = || {
        let mut table = table.write().unwrap();
        for name in ["b", "c", "d", "e"] {
            table.add_column(spec(Kind::Number, name));
        }
        table.set_state(ids[4], state, "BUSY").unwrap();
    };
    assert!(View::take(&table, &Pick::default(), 3, between).is_none(), "the copy has to begin anew");
    let view = View::of(&table, &Pick::default());
    let states = view.columns.iter().find(|column| column.kind == Kind::State).unwrap();
    assert_eq!((states.count, states.states.len()), (3, 2));
    assert_eq!(view.state_samples(states).map(|(_, value)| value).collect::<Vec<_>>(), [0.0, 0.0, 1.0]);
    assert_eq!(view.series(), table.read().unwrap().series());
}
