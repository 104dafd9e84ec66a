//! Rules that would grow a row or break an output, and any rules over any labels.

use proptest::prelude::*;

use super::*;

#[test]
fn a_written_value_is_cut_at_its_limit() {
    let doubling = r#"{"source_labels":["a"],"target_label":"a","replacement":"$1$1$1$1"}"#;
    let json = format!("[{}]", vec![doubling; 40].join(","));
    let mut set = labels(&[("a", "voice")]);
    assert!(Rules::compile(&parse(&json)).unwrap().apply(&mut set));
    assert!(set.get("a").len() <= VALUE_BYTES_MAX);
    assert!(set.get("a").ends_with('…'));
}

#[test]
fn labelmap_cannot_grow_a_row_without_limit() {
    let doubling = r#"{"action":"labelmap","replacement":"a$1"},{"action":"labelmap","replacement":"b$1$1"}"#;
    let json = format!("[{}]", vec![doubling; 20].join(","));
    let mut set = labels(&[("x", "1"), ("y", "2")]);
    assert!(Rules::compile(&parse(&json)).unwrap().apply(&mut set));
    assert_eq!(set.len(), LABELS_MAX);
    assert!(set.iter().all(|(name, _)| name.len() <= NAME_BYTES_MAX));
}

#[test]
fn a_written_value_cannot_break_a_line() {
    assert_run(&[], r#"[{"target_label":"a","replacement":"x\ny\r"}]"#, r#"a="x y ""#);
}

fn any_rule() -> impl Strategy<Value = RelabelRule> {
    let name = || prop_oneof!["[a-c_]{0,3}", "[a-c$_{}1-]{0,5}"];
    (
        prop::collection::vec(name(), 0..4),
        ".{0,2}",
        prop_oneof![Just("(.*)".to_owned()), "[ab.*+?|()\\[\\]^$\\\\dwQE{},0-3-]{0,8}", ".{0,4}"],
        prop_oneof![Just(0), any::<u64>()],
        name(),
        prop_oneof![Just("$1".to_owned()), "[ab$1{}0x_]{0,8}", ".{0,6}"],
        prop::sample::select(Action::ALL.to_vec()),
    )
        .prop_map(|(source_labels, separator, regex, modulus, target_label, replacement, action)| {
            RelabelRule { source_labels, separator, regex, modulus, target_label, replacement, action }
        })
}

proptest! {
    #[test]
    fn any_rules_over_any_labels_leave_a_sorted_valid_set(
        rules in prop::collection::vec(any_rule(), 0..6),
        pairs in prop::collection::vec(("[a-c_]{1,3}", ".{0,8}"), 0..6),
    ) {
        // One by one as well: most sets of rules have a bad one among them.
        let singles = rules.iter().map(std::slice::from_ref);
        for set in singles.chain([rules.as_slice()]) {
            let Ok(compiled) = Rules::compile(set) else { continue };
            let mut row: Labels = pairs.iter().map(|(name, value)| (name, value.as_str())).collect();
            let _is_kept = compiled.apply(&mut row);
            let names: Vec<_> = row.iter().map(|(name, _)| name).collect();
            prop_assert!(names.is_sorted_by(|left, right| left < right));
            prop_assert!(row.iter().all(|(name, value)| is_valid_name(name) && !value.is_empty()));
            row.drop_internal();
            prop_assert!(row.iter().all(|(name, _)| !name.starts_with("__")));
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_a_one_line_error(pattern in any::<String>()) {
        if let Err(message) = pattern::compile(&pattern) {
            prop_assert!(!message.contains('\n'));
        }
    }
}
