//! Each action over small rows, held to what Prometheus does.

use super::*;

const ROW: &[(&str, &str)] = &[("channel", "voice"), ("queue", "emea sales"), ("site", "7")];

#[test]
fn no_rules_leave_the_row_alone() {
    assert_run(ROW, "[]", r#"channel="voice",queue="emea sales",site="7""#);
}

#[test]
fn replace_writes_groups_of_the_match_to_its_target() {
    assert_run(
        ROW,
        r#"[{"source_labels":["queue"],"regex":"(\\w+) (.*)","target_label":"team","replacement":"${2}-$1"}]"#,
        r#"channel="voice",queue="emea sales",site="7",team="sales-emea""#,
    );
}

#[test]
fn a_rule_sees_what_the_rules_before_it_left() {
    assert_run(
        &[("a", "x"), ("b", "y")],
        r#"[{"source_labels":["a","b"],"target_label":"a"},
            {"source_labels":["b","a"],"separator":"/","regex":"(.*)/(.*);(.*)","target_label":"c","replacement":"$3$2$1"}]"#,
        r#"a="x;y",b="y",c="yxy""#,
    );
}

#[test]
fn replace_without_a_match_does_nothing() {
    let pairs = [("a", "voice")];
    for regex in ["chat", "voi", "v|e", "voicemail"] {
        let json =
            format!(r#"[{{"source_labels":["a"],"regex":"{regex}","target_label":"b","replacement":"x"}}]"#);
        assert_run(&pairs, &json, r#"a="voice""#);
    }
}

#[test]
fn a_missing_source_label_is_an_empty_value() {
    assert_run(
        &[("a", "1")],
        r#"[{"source_labels":["gone","a","gone"],"target_label":"b"}]"#,
        r#"a="1",b=";1;""#,
    );
    assert_run(
        &[("a", "1")],
        r#"[{"source_labels":["gone"],"regex":"","target_label":"b","replacement":"none"}]"#,
        r#"a="1",b="none""#,
    );
}

#[test]
fn replace_without_sources_adds_a_constant() {
    assert_run(&[], r#"[{"target_label":"env","replacement":"prod"}]"#, r#"env="prod""#);
}

#[test]
fn an_empty_result_removes_the_target() {
    for replacement in ["", "$9", "${name}", "$1x"] {
        let json = format!(r#"[{{"source_labels":["a"],"target_label":"a","replacement":"{replacement}"}}]"#);
        assert_run(&[("a", "1"), ("b", "2")], &json, r#"b="2""#);
    }
}

#[test]
fn dollars_follow_the_rules_of_go() {
    for (replacement, expected) in
        [("$$1", "$1"), ("5$ $1", "5$ v"), ("${1}x", "vx"), ("<$1x>", "<>"), ("${1", "${1"), ("$0$1", "vv")]
    {
        let json = format!(r#"[{{"source_labels":["a"],"target_label":"a","replacement":"{replacement}"}}]"#);
        assert_run(&[("a", "v")], &json, &format!(r#"a="{expected}""#));
    }
}

#[test]
fn the_target_may_come_from_the_match() {
    let json =
        r#"[{"source_labels":["a"],"regex":"tag:([^=]+)=(.+)","target_label":"t_${1}","replacement":"$2"}]"#;
    assert_run(&[("a", "tag:site=x")], json, r#"a="tag:site=x",t_site="x""#);
}

#[test]
fn a_target_that_turns_out_invalid_makes_the_rule_do_nothing() {
    for (value, target) in [("9", "$1"), ("a-b", "${1}"), ("ä", "x$1"), ("x", "$2"), ("", "$1")] {
        let json = format!(r#"[{{"source_labels":["a"],"target_label":"{target}","replacement":"new"}}]"#);
        let before = text_of(&labels(&[("a", value), ("b", "2")]));
        assert_run(&[("a", value), ("b", "2")], &json, &before);
    }
}

#[test]
fn a_dot_in_a_regex_spans_lines() {
    assert_run(
        &[("a", "x\ny")],
        r#"[{"source_labels":["a"],"regex":"x.(y)","target_label":"a"}]"#,
        r#"a="y""#,
    );
}

#[test]
fn keep_and_drop_decide_on_the_whole_row() {
    let rule = |action: &str, regex: &str| {
        run(ROW, &format!(r#"[{{"source_labels":["channel"],"regex":"{regex}","action":"{action}"}}]"#))
            .is_some()
    };
    assert!(rule("keep", "voice|chat"));
    assert!(!rule("keep", "voi"));
    assert!(!rule("keep", "chat"));
    assert!(!rule("drop", "v.*"));
    assert!(rule("drop", "voi"));
    assert!(rule("drop", "v|e"));
    assert!(!rule("DROP", ".*o.*"));
}

#[test]
fn a_dropped_row_meets_no_later_rule() {
    let json = r#"[{"source_labels":["site"],"regex":"7","action":"drop"},
                   {"target_label":"late","replacement":"x"}]"#;
    let mut set = labels(ROW);
    assert!(!Rules::compile(&parse(json)).unwrap().apply(&mut set));
    assert!(!set.contains("late"));
}

#[test]
fn keepequal_and_dropequal_compare_two_labels() {
    let pairs = [("want", "1"), ("same", "1"), ("other", "2")];
    let rule = |action: &str, target: &str| {
        run(
            &pairs,
            &format!(r#"[{{"source_labels":["want"],"target_label":"{target}","action":"{action}"}}]"#),
        )
        .is_some()
    };
    assert!(rule("keepequal", "same"));
    assert!(!rule("keepequal", "other"));
    assert!(!rule("keepequal", "gone"));
    assert!(!rule("dropequal", "same"));
    assert!(rule("dropequal", "other"));
}

#[test]
fn hashmod_agrees_with_an_independent_md5() {
    // int.from_bytes(hashlib.md5(text).digest()[8:], "big") % modulus
    for (value, modulus, expected) in [
        ("foo", 1000, "696"),
        ("", 7, "1"),
        ("Zürich", 64, "17"),
        ("a\nb", 1000, "304"),
        ("voice", u64::MAX, "17028033303667786232"),
        ("voice", 1, "0"),
    ] {
        let json = format!(
            r#"[{{"source_labels":["a"],"modulus":{modulus},"target_label":"shard","action":"hashmod"}}]"#
        );
        let mut set = labels(&[("a", value)]);
        assert!(Rules::compile(&parse(&json)).unwrap().apply(&mut set));
        assert_eq!(set.get("shard"), expected, "{value:?} mod {modulus}");
    }
}

#[test]
fn hashmod_hashes_the_joined_values() {
    assert_run(
        &[("a", "Queue A"), ("b", "voice")],
        r#"[{"source_labels":["a","b"],"modulus":1000,"target_label":"shard","action":"hashmod"}]"#,
        r#"a="Queue A",b="voice",shard="26""#,
    );
}

#[test]
fn labelmap_copies_and_keeps_the_original() {
    assert_run(
        &[("__m_one", "1"), ("__m_two", "2"), ("plain", "3")],
        r#"[{"regex":"__m_(.*)","action":"labelmap"}]"#,
        r#"__m_one="1",__m_two="2",one="1",plain="3",two="2""#,
    );
    assert_run(
        &[("a", "1"), ("b1", "2")],
        r#"[{"regex":"(b.)","replacement":"x_${1}","action":"labelmap"}]"#,
        r#"a="1",b1="2",x_b1="2""#,
    );
}

#[test]
fn labelmap_looks_at_the_labels_as_they_were() {
    assert_run(
        &[("a", "1"), ("aa", "2")],
        r#"[{"regex":"(.*)","replacement":"a$1","action":"labelmap"}]"#,
        r#"a="1",aa="1",aaa="2""#,
    );
}

#[test]
fn labelmap_skips_names_that_turn_out_invalid() {
    assert_run(
        &[("x_9", "1"), ("x_b", "2"), ("x_", "3")],
        r#"[{"regex":"x_(.*)","action":"labelmap"}]"#,
        r#"b="2",x_="3",x_9="1",x_b="2""#,
    );
}

#[test]
fn labeldrop_and_labelkeep_choose_by_name() {
    let pairs = [("a", "1"), ("b1", "2"), ("b2", "3")];
    assert_run(&pairs, r#"[{"regex":"b.","action":"labeldrop"}]"#, r#"a="1""#);
    assert_run(&pairs, r#"[{"regex":"b.","action":"labelkeep"}]"#, r#"b1="2",b2="3""#);
    assert_run(&pairs, r#"[{"regex":"b","action":"labelkeep"}]"#, "");
}

#[test]
fn a_dropped_label_can_be_written_again() {
    assert_run(
        &[("site", "7"), ("office", "Galway")],
        r#"[{"regex":"site","action":"labeldrop"},
            {"source_labels":["office"],"target_label":"site"},
            {"source_labels":["site"],"regex":"Gal.+","action":"keep"}]"#,
        r#"office="Galway",site="Galway""#,
    );
}

#[test]
fn case_is_mapped_one_character_for_one() {
    let json = r#"[{"source_labels":["a"],"target_label":"lower","action":"lowercase"},
                   {"source_labels":["a"],"target_label":"upper","action":"uppercase"}]"#;
    for (value, lower, upper) in [
        ("Ab1 Cd", "ab1 cd", "AB1 CD"),
        ("Straße", "straße", "STRAßE"),
        ("ΟΔΟΣ", "οδοσ", "ΟΔΟΣ"),
        ("İI", "ii", "İI"),
        ("ﬁn", "ﬁn", "ﬁN"),
        ("ᾳᾀ", "ᾳᾀ", "ᾼᾈ"),
    ] {
        let mut set = labels(&[("a", value)]);
        assert!(Rules::compile(&parse(json)).unwrap().apply(&mut set));
        assert_eq!((set.get("lower"), set.get("upper")), (lower, upper));
    }
    assert_run(&[("a", "1")], r#"[{"source_labels":["gone"],"target_label":"a","action":"uppercase"}]"#, "");
}
