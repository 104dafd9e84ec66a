//! What cannot be read: syntax, unknown keys, wrong types, wrong shapes.

use super::*;

#[test]
fn syntax_errors_are_one_line_with_line_and_column() {
    for (text, expected) in [
        ("[axp]\nclient_id = abc\n", "config.toml: line 2, column 13: invalid string, expected `\"`, `'`"),
        (
            "[axp]\nlocale = \"a\"\nlocale = \"b\"\n",
            "config.toml: line 3, column 1: duplicate key `locale` in table `axp`",
        ),
    ] {
        assert_eq!(problems(text), expected);
    }
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    assert_problems(&[
        ("client_idd = \"x\"", "config.toml: axp.client_idd: unknown key; did you mean client_id?"),
        ("[lgo]", "config.toml: lgo: unknown key; did you mean log?"),
        (
            "[[producer]]\nid = \"a\"\nalow = []",
            "config.toml: producer \"a\" alow: unknown key; did you mean allow?",
        ),
        (
            "[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"b\"\nkin = \"text\"",
            "config.toml: producer \"a\" measure \"b\" kin: unknown key; did you mean kind?",
        ),
        (
            "[[influx]]\nname = \"main\"\ntarget = \"stdout\"\nflush = \"1s\"",
            "config.toml: influx \"main\" flush: unknown key; did you mean url?",
        ),
        (
            "[[relabel]]\ntarget_label = \"a\"\nregexp = \"x\"",
            "config.toml: relabel[0].regexp: unknown key; did you mean regex?",
        ),
        ("\"a\\nb\" = 1", "config.toml: axp.a\\nb: unknown key; did you mean locale?"),
    ]);
}

#[test]
fn wrong_types_say_what_was_found_and_what_would_be_right() {
    assert_problems(&[
        (
            "[limits]\nseries = \"many\"",
            "config.toml: limits.series: found \"many\", expected a whole number such as 1000000",
        ),
        (
            "[limits]\nseries = -1",
            "config.toml: limits.series: found -1, expected a whole number such as 1000000",
        ),
        (
            "[limits]\nframe_bytes = 4096",
            "config.toml: limits.frame_bytes: found 4096, expected a size such as \"1024\", \
             \"64KiB\", \"4MiB\" or \"1GiB\"",
        ),
        (
            "ping_interval = \"30\"",
            "config.toml: axp.ping_interval: found \"30\", expected a duration such as \"250ms\", \
             \"30s\", \"5m\" or \"1h30m\"",
        ),
        ("dictionary = \"true\"", "config.toml: axp.dictionary: found \"true\", expected true or false"),
        ("locale = 5", "config.toml: axp.locale: found 5, expected text in quotes"),
        ("ca_file = 5", "config.toml: axp.ca_file: found 5, expected text in quotes"),
        (
            "endpoint_hosts = \"a\"",
            "config.toml: axp.endpoint_hosts: found \"a\", expected a list of texts such as [\"a\", \"b\"]",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "config.toml: log.level: found \"loud\", expected one of \"error\", \"warn\", \"info\", \
             \"debug\", \"trace\"",
        ),
        ("[log]\nformat = 1", "config.toml: log.format: found 1, expected one of \"text\", \"json\""),
        (
            "[privacy]\npersonal = \"\"",
            "config.toml: privacy.personal: found nothing, expected one of \"drop\", \"keep\", \"hash\"",
        ),
        (
            "[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"b\"\nkind = \"counter\"",
            "config.toml: producer \"a\" measure \"b\" kind: found \"counter\", expected one of \
             \"number\", \"duration\", \"timestamp\", \"boolean\", \"state\", \"text\"",
        ),
        (
            "[[influx]]\nname = \"main\"\ntarget = \"stdout\"\nrotate_keep = -5",
            "config.toml: influx \"main\" rotate_keep: found -5, expected a whole number such as 5",
        ),
    ]);
}

#[test]
fn tables_and_lists_of_tables_are_not_mixed_up() {
    assert_problems(&[
        ("[[log]]\nlevel = \"debug\"", "config.toml: log: found a list, expected a table, [log]"),
        (
            "[producer]\nid = \"a\"",
            "config.toml: producer: found a table, expected a list of tables, [[producer]]",
        ),
        (
            "[[producer]]\nid = \"a\"\n[producer.measure]\nname = \"b\"",
            "config.toml: producer \"a\" measure: found a table, expected a list of tables, \
             [[producer.measure]]",
        ),
    ]);
    let text = format!("influx = [5, {{ name = \"main\", target = \"stdout\" }}]\n{ACCOUNT}");
    assert_eq!(problems(&text), "config.toml: influx[0]: found a number, expected a table, [[influx]]");
    let text = format!("log = 5\n{ACCOUNT}");
    assert_eq!(problems(&text), "config.toml: log: found a number, expected a table, [log]");
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = r#"
        [axp]
        client_idd = "x"
        api_url = "http://api.example"
        dictionary = 1
        [limits]
        series = "many"
        frame_bytes = "1GiB"
        [[producer]]
        allow = ["ok", 5, "", 6]
        [[influx]]
        name = "main"
        target = "file"
        timeout = "soon"
        [web]
        listen = "9955"
    "#;
    let expected = "\
config.toml: axp.client_idd: unknown key; did you mean client_id?
config.toml: axp.dictionary: found 1, expected true or false
config.toml: influx \"main\" timeout: found \"soon\", expected a duration such as \"250ms\", \"30s\", \"5m\" or \"1h30m\"
config.toml: limits.series: found \"many\", expected a whole number such as 1000000
config.toml: producer[0].allow[1]: found 5, expected text in quotes
config.toml: producer[0].allow[3]: found 6, expected text in quotes
config.toml: axp.api_url: found \"http://api.example\", expected https; plain http is for loopback only
config.toml: axp.account_id: found nothing, expected the account's six letters, such as ABCDEF
config.toml: axp.client_secret_file: found nothing, expected a file that holds the secret, or client_secret
config.toml: axp.app_key_file: found nothing, expected a file that holds the secret, or app_key
config.toml: producer[0].id: found nothing, expected a producer's id such as Queue_itd_1.0.0
config.toml: producer[0].allow[2]: found nothing, expected a measure's name, or a glob such as \"active*\"
config.toml: limits.frame_bytes: found \"1GiB\", expected \"1KiB\" to \"256MiB\"
config.toml: web.listen: found \"9955\", expected host:port such as 127.0.0.1:9955, :port, unix:/path or systemd
config.toml: influx \"main\" path: found nothing, expected a path, for target = \"file\"";
    assert_eq!(problems(text), expected);
}

#[test]
fn a_file_full_of_nonsense_ends_in_a_bounded_list() {
    let lines: Vec<_> = (0..500).map(|number| format!("key{number} = 1")).collect();
    let nonsense = lines.join("\n");
    assert_eq!(problems(&nonsense).lines().count(), 100);
}

#[test]
fn found_text_stays_on_one_line_and_is_cut() {
    let long = "x".repeat(200);
    let text = format!("{ACCOUNT}[web]\nlisten = \"a\\nb\\u001b[31m\"\nmetrics_path = \"{long}\"");
    let expected = format!(
        "config.toml: web.listen: found \"a\\nb\\u{{1b}}[31m\", expected host:port such as 127.0.0.1:9955, :port, unix:/path or systemd\n\
         config.toml: web.metrics_path: found \"{}…\", expected a path such as /metrics",
        "x".repeat(80)
    );
    assert_eq!(problems(&text), expected);
}
