//! Producers and measure rules that make no sense.

use super::*;

#[test]
fn producers_have_an_id_and_a_name_of_their_own() {
    assert_problems(&[
        (
            "[[producer]]",
            "config.toml: producer[0].id: found nothing, expected a producer's id such as Queue_itd_1.0.0",
        ),
        (
            "[[producer]]\nid = \"a b\"",
            "config.toml: producer \"a b\" id: found \"a b\", expected a producer's id such as Queue_itd_1.0.0",
        ),
        (
            "[[producer]]\nid = \"a\"\n[[producer]]\nid = \"a\"",
            "config.toml: producer[1].id: found \"a\" again, expected each producer once",
        ),
        (
            "[[producer]]\nid = \"Queue_itd_1.0.0\"\n[[producer]]\nid = \"Queue_itd_2.0\"",
            "config.toml: producer \"Queue_itd_2.0\" id: found the name \"queue_itd\", which producer \"Queue_itd_1.0.0\" has already, expected another `name`",
        ),
        (
            "[[producer]]\nid = \"a\"\n[[producer]]\nid = \"b\"\nname = \"a\"",
            "config.toml: producer \"b\" name: found the name \"a\", which producer \"a\" has already, expected another `name`",
        ),
        (
            "[[producer]]\nid = \"a\"\nname = \"A-b\"",
            "config.toml: producer \"a\" name: found \"A-b\", expected lower-case letters, digits and _, not a digit in front",
        ),
        (
            "[[producer]]\nid = \"Exporter_1.0\"",
            "config.toml: producer \"Exporter_1.0\" id: found the name \"exporter\", which is the program's own, expected another `name`",
        ),
        (
            "[[producer]]\nid = \"a\"\nallow = [\"\"]",
            "config.toml: producer \"a\" allow[0]: found nothing, expected a measure's name, or a glob such as \"active*\"",
        ),
        (
            "[[producer]]\nid = \"a\"\ndeny = [\"x\\u0007\"]",
            "config.toml: producer \"a\" deny[0]: found \"x\\u{7}\", expected a measure's name, or a glob such as \"active*\"",
        ),
        (
            "[[producer]]\nid = \"a\"\nlabels = [\"agentLoginId\"]",
            "config.toml: producer \"a\" labels[0]: found \"agentLoginId\", which is personal and dropped, expected another measure, or privacy.personal = \"keep\" or \"hash\"",
        ),
        (
            "[[producer]]\nid = \"a\"\nlabels = [\"mine\"]\n[privacy]\nmeasures = [\"mine\"]",
            "config.toml: producer \"a\" labels[0]: found \"mine\", which is personal and dropped, expected another measure, or privacy.personal = \"keep\" or \"hash\"",
        ),
    ]);
}

#[test]
fn a_renamed_producer_may_share_the_stem_of_its_id() {
    let text = "[[producer]]\nid = \"Queue_itd_1.0.0\"\n[[producer]]\nid = \"Queue_itd_2.0\"\nname = \"queue_new\"\n\
                labels = [\"queueName\"]\nallow = [\"active*\", \"?x\"]";
    assert!(Folder::new().load(&format!("{ACCOUNT}{text}"), &[]).is_ok());
}

#[test]
fn measure_rules_fit_their_kind() {
    let states = (0..33).map(|number| format!("\"S{number}\"")).collect::<Vec<_>>().join(",");
    let too_many = format!("kind = \"state\"\nstates = [{states}]");
    for (rule, expected) in [
        (
            "unit = \"ms\"\nkind = \"number\"",
            "unit: found \"ms\" with kind = \"number\", expected kind = \"duration\" beside it",
        ),
        (
            "unit = \"ratio\"\nkind = \"duration\"",
            "unit: found \"ratio\" with kind = \"duration\", expected kind = \"number\" beside it",
        ),
        ("unit = \"ratio\"", "unit: found \"ratio\" without a kind, expected kind = \"number\" beside it"),
        ("unit = \"h\"", "unit: found \"h\", expected one of \"s\", \"ms\", \"ratio\""),
        (
            "format = \"percent\"\nkind = \"text\"",
            "format: found \"percent\" with kind = \"text\", expected kind = \"number\" or \"duration\" beside it",
        ),
        (
            "rename = \"1a\"",
            "rename: found \"1a\", expected lower-case letters, digits and _, not a digit in front",
        ),
        ("help = \"a\\nb\"", "help: found \"a\\nb\", expected text on one line"),
        ("states = [\"A\"]", "states: found states without a kind, expected kind = \"state\" beside them"),
        (too_many.as_str(), "states: found 33 states, expected at most 32"),
        (
            "kind = \"state\"\nstates = [\"A\", \"A\"]",
            "states[1]: found \"A\", expected a state such as \"READY\", each once",
        ),
        ("kind = \"state\"\nstates = [\"\"]", "states[0]: found nothing, expected a state such as \"READY\""),
    ] {
        let text = format!("{ACCOUNT}[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"b\"\n{rule}");
        assert_eq!(
            problems(&text),
            format!("config.toml: producer \"a\" measure \"b\" {expected}"),
            "{rule}"
        );
    }
}

#[test]
fn measure_rules_have_names_of_their_own() {
    let rules = "[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"b\"\nrename = \"x\"\n[[producer.measure]]\n";
    assert_problems(&[
        (
            rules,
            "config.toml: producer \"a\" measure[1].name: found nothing, expected a measure's name such as activeDuration",
        ),
        (
            &format!("{rules}name = \"b\""),
            "config.toml: producer \"a\" measure[1].name: found \"b\" again, expected one rule for each measure",
        ),
        (
            &format!("{rules}name = \"c\"\nrename = \"x\""),
            "config.toml: producer \"a\" measure \"c\" rename: found the name axp_a_x, which \"b\" of \"a\" has already, expected another `rename`",
        ),
        (
            "[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"Answered\"\n[[producer.measure]]\nname = \"answered\"",
            "config.toml: producer \"a\" measure \"answered\" rename: found the name axp_a_answered, which \"Answered\" of \"a\" has already, expected another `rename`",
        ),
        (
            "[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"info\"\nkind = \"number\"",
            "config.toml: producer \"a\" measure \"info\" rename: found the name axp_a_info, which the info metric of \"a\" has already, expected another `rename`",
        ),
        (
            "[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"bC\"\n[[producer]]\nid = \"a_b\"\n[[producer.measure]]\nname = \"c\"",
            "config.toml: producer \"a_b\" measure \"c\" rename: found the name axp_a_b_c, which \"bC\" of \"a\" has already, expected another `rename`",
        ),
        (
            "[[producer]]\nid = \"a\"\nlabels = [\"b\"]\n[[producer.measure]]\nname = \"b\"\nkind = \"number\"",
            "config.toml: producer \"a\" labels[0]: found \"b\", which a rule makes a number, expected a measure of kind \"text\"",
        ),
    ]);
}
