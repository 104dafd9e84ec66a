//! Rules that make no sense for any row.

use super::*;

#[test]
fn all_problems_of_all_rules_are_told_at_once() {
    let rules = parse(
        r#"[{"target_label":"fine"},
            {"regex":"(","source_labels":["a-b"]},
            {"action":"hashmod","target_label":"$1"},
            {"action":"labelmap","replacement":"-$1"}]"#,
    );
    let errors = Rules::compile(&rules).unwrap_err();
    let found: Vec<_> = errors.iter().map(|err| (err.index, err.key)).collect();
    assert_eq!(
        found,
        [
            (1, "source_labels"),
            (1, "target_label"),
            (1, "regex"),
            (2, "target_label"),
            (2, "modulus"),
            (3, "replacement"),
        ]
    );
    for err in &errors {
        assert!(!err.to_string().contains('\n'), "{err}");
    }
}

#[test]
fn a_problem_reads_as_one_line() {
    let errors = Rules::compile(&parse(r#"[{"target_label":"x","regex":"a(?=b)"}]"#)).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "relabel[0].regex \"a(?=b)\" does not parse: look-around, including look-ahead and \
         look-behind, is not supported, as in RE2; match the whole value with groups instead"
    );
}

#[test]
fn actions_refuse_the_keys_they_have_no_use_for() {
    let all = r#""source_labels":["a"],"separator":"/","regex":"x","modulus":9,"target_label":"t","replacement":"y""#;
    for (action, refused) in [
        ("replace", vec![]),
        ("keep", vec![]),
        ("hashmod", vec![]),
        ("labelmap", vec![]),
        ("lowercase", vec!["replacement"]),
        ("uppercase", vec!["replacement"]),
        ("keepequal", vec!["separator", "regex", "modulus", "replacement"]),
        ("dropequal", vec!["separator", "regex", "modulus", "replacement"]),
        ("labeldrop", vec!["source_labels", "separator", "modulus", "target_label", "replacement"]),
        ("labelkeep", vec!["source_labels", "separator", "modulus", "target_label", "replacement"]),
    ] {
        let rules = parse(&format!(r#"[{{{all},"action":"{action}"}}]"#));
        let found: Vec<_> =
            Rules::compile(&rules).err().unwrap_or_default().iter().map(|err| err.key).collect();
        assert_eq!(found, refused, "{action}");
    }
}

#[test]
fn a_problem_says_what_its_action_wants() {
    for (rule, wanted) in [
        (r#"{"action":"KeepEqual"}"#, "is missing; action keepequal needs the name of a label"),
        (r#"{"target_label":"a-b","action":"lowercase"}"#, "with no digit in front"),
        (r#"{"target_label":"a-b"}"#, "with no digit in front, and references such as ${1}"),
        (r#"{"action":"labeldrop","modulus":2}"#, "has no use for action labeldrop; leave it out"),
    ] {
        let errors = Rules::compile(&parse(&format!("[{rule}]"))).unwrap_err();
        assert_eq!(errors.len(), 1, "{rule}");
        assert!(errors[0].message.ends_with(wanted), "{rule}: {}", errors[0].message);
    }
}
