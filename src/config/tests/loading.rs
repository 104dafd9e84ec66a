//! Defaults, the file, the environment: which wins, and what is taken as what.

use super::super::{Bytes, DEFAULT_PATH, Duration, Kind, LogLevel, Personal};
use super::*;

#[test]
fn a_file_changes_what_it_names_and_leaves_the_rest() {
    let text = format!("{ACCOUNT}stale_after = \"1h30m\"\n[limits]\nframe_bytes = \"64KiB\"\n");
    let config = Folder::new().load(&text, &[]).unwrap().config;
    assert_eq!(config.axp.stale_after, Duration::from_secs(5400));
    assert_eq!(config.limits.frame_bytes, Bytes::new(65_536));
    assert_eq!(config.axp.ping_interval, Duration::from_secs(30));
    assert_eq!(config.limits.series, 1_000_000);
}

#[test]
fn a_variable_wins_over_the_file_and_is_read_as_its_key_needs() {
    let env = [
        ("AXP_EXPORTER_AXP__CLIENT_ID", "123456"),
        ("AXP_EXPORTER_AXP__ACCOUNT_ID", "GHIJKL"),
        ("AXP_EXPORTER_AXP__DICTIONARY", "false"),
        ("AXP_EXPORTER_AXP__CLIENT_SECRET", "true"),
        ("AXP_EXPORTER_AXP__STALE_AFTER", "7s"),
        ("AXP_EXPORTER_AXP__ENDPOINT_HOSTS", "a.example, *.b.example"),
        ("AXP_EXPORTER_PRIVACY__MEASURES", "[\"a,b\", \"c\"]"),
        ("AXP_EXPORTER_PRIVACY__PERSONAL", "keep"),
        ("AXP_EXPORTER_LIMITS__SERIES", "5"),
        ("AXP_EXPORTER_LIMITS__FRAME_BYTES", "2048"),
        ("AXP_EXPORTER_LOG__LEVEL", "debug"),
        ("PATH", "/bin"),
    ];
    let config = Folder::new().load(ACCOUNT, &env).unwrap().config;
    assert_eq!(config.axp.client_id, "123456");
    assert_eq!(config.axp.account_id, "GHIJKL");
    assert!(!config.axp.dictionary);
    assert_eq!(config.axp.client_secret, "true".into());
    assert_eq!(config.axp.stale_after, Duration::from_secs(7));
    assert_eq!(config.axp.endpoint_hosts, ["a.example", "*.b.example"]);
    assert_eq!(config.privacy.measures, ["a,b", "c"]);
    assert_eq!(config.privacy.personal, Personal::Keep);
    assert_eq!(config.limits.series, 5);
    assert_eq!(config.limits.frame_bytes, Bytes::new(2048));
    assert_eq!(config.log.level, LogLevel::Debug);
}

#[test]
fn an_empty_variable_empties_its_key() {
    let env = [("AXP_EXPORTER_AXP__ENDPOINT_HOSTS", "")];
    let config = Folder::new().load(ACCOUNT, &env).unwrap().config;
    assert!(config.axp.endpoint_hosts.is_empty());
}

#[test]
fn an_account_can_come_from_the_environment_alone() {
    let env = [
        ("AXP_EXPORTER_AXP__ACCOUNT_ID", "ABCDEF"),
        ("AXP_EXPORTER_AXP__CLIENT_ID", "client"),
        ("AXP_EXPORTER_AXP__CLIENT_SECRET", "x"),
        ("AXP_EXPORTER_AXP__APP_KEY", "x"),
    ];
    assert!(Folder::new().load("", &env).is_ok());
}

#[test]
fn unknown_variables_are_problems_that_name_the_nearest_known_one() {
    let folder = Folder::new();
    for (name, expected) in [
        ("AXP_EXPORTER_AXP__CLIENT_IDD", "unknown variable; did you mean AXP_EXPORTER_AXP__CLIENT_ID?"),
        ("AXP_EXPORTER_LOG_LEVEL", "unknown variable; did you mean AXP_EXPORTER_LOG__LEVEL?"),
        ("AXP_EXPORTER_LOG__level", "unknown variable; did you mean AXP_EXPORTER_LOG__LEVEL?"),
    ] {
        let expected = format!("environment variable {name}: {expected}");
        assert_eq!(folder.problems(ACCOUNT, &[(name, "x")]), expected);
    }
}

#[test]
fn the_variables_that_kubernetes_sets_for_a_service_are_not_ours() {
    let env = [
        ("AXP_EXPORTER_SERVICE_HOST", "10.0.0.1"),
        ("AXP_EXPORTER_SERVICE_PORT_METRICS", "9955"),
        ("AXP_EXPORTER_PORT", "tcp://10.0.0.1:9955"),
        ("AXP_EXPORTER_PORT_9955_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(Folder::new().load(ACCOUNT, &env).is_ok());
}

#[test]
fn problems_of_a_variable_name_the_variable() {
    let folder = Folder::new();
    for (name, value, expected) in [
        ("AXP_EXPORTER_AXP__DICTIONARY", "yes", "axp.dictionary: found \"yes\", expected true or false"),
        (
            "AXP_EXPORTER_LIMITS__SERIES",
            "many",
            "limits.series: found \"many\", expected a whole number such as 1000000",
        ),
        (
            "AXP_EXPORTER_AXP__API_URL",
            "ftp://x",
            "axp.api_url: found \"ftp://x\", expected an address such as https://host.example",
        ),
        (
            "AXP_EXPORTER_PRIVACY__MEASURES",
            "[\"a\", 5]",
            "privacy.measures[1]: found 5, expected text in quotes",
        ),
        (
            "AXP_EXPORTER_AXP__ENDPOINT_HOSTS",
            "a.example,*",
            "axp.endpoint_hosts[1]: found \"*\", expected a host name, or \"*.\" and a domain such as \"*.avayacloud.com\"",
        ),
        (
            "AXP_EXPORTER_PRIVACY__MEASURES",
            "[\"a\"]\nx = 1",
            "privacy.measures: found \"[\\\"a\\\"]\\nx = 1\", expected a list of texts such as [\"a\", \"b\"]",
        ),
    ] {
        let expected = format!("environment variable {name}: {expected}");
        assert_eq!(folder.problems(ACCOUNT, &[(name, value)]), expected);
    }
}

#[test]
fn a_bad_variable_over_a_bad_key_gives_both_problems() {
    let text = format!("{ACCOUNT}dictionary = 1\n");
    let env = [("AXP_EXPORTER_AXP__DICTIONARY", "2")];
    let expected = "environment variable AXP_EXPORTER_AXP__DICTIONARY: axp.dictionary: \
                    found \"2\", expected true or false\n\
                    config.toml: axp.dictionary: found 1, expected true or false";
    assert_eq!(Folder::new().problems(&text, &env), expected);
}

#[test]
fn without_a_file_the_default_path_comes_with_advice() {
    let problems = Config::load(&PathBuf::from("/nowhere/config.toml"), no_env());
    assert!(problems.unwrap_err().is_missing_file());
    if !std::path::Path::new(DEFAULT_PATH).exists() {
        let problems = Config::load(std::path::Path::new(DEFAULT_PATH), no_env()).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "/etc/axp-exporter/config.toml: no such file; copy config.toml there and fill it in, \
             or run `axp-exporter demo`, which needs none"
        );
    }
}

#[test]
fn a_file_that_is_no_configuration_is_one_problem() {
    let folder = Folder::new();
    folder.write("huge.toml", vec![b'#'; (1 << 20) + 1], 0o600);
    folder.write("binary.toml", [0xff, 0xfe], 0o600);
    for (name, expected) in [
        ("none.toml", "no such file"),
        ("huge.toml", "found more than 1 MiB, expected a readable TOML file"),
        ("binary.toml", "found a file that is not UTF-8, expected a readable TOML file"),
        ("", "found a file that is not readable, expected a readable TOML file"),
    ] {
        let path = folder.path(name);
        let problems = Config::load(&path, no_env()).unwrap_err();
        assert_eq!(problems.to_string(), format!("{}: {expected}", path.display()));
        assert_eq!(problems.is_missing_file(), name == "none.toml");
    }
}

#[test]
fn commands_that_need_no_account_load_without_one() {
    let path = std::path::Path::new("config.toml");
    assert!(Config::from_text(Account::Optional, path, "", no_env()).is_ok());
    let problems = Config::from_text(Account::Optional, path, "[axp]\naccount_id = \"x\"", no_env());
    assert_eq!(
        problems.unwrap_err().to_string(),
        "config.toml: axp.account_id: found \"x\", expected the account's six letters, such as ABCDEF"
    );
}

#[test]
fn commands_that_call_nobody_open_no_file_of_the_way_there() {
    let path = std::path::Path::new("/nowhere/config.toml");
    let text = "[axp]\nclient_secret_file = \"none\"\nca_file = \"none\"\nclient_cert_file = \"none\"\n\
                client_key_file = \"none\"\n[web]\nconfig_file = \"none\"\n\
                [[influx]]\nname = \"main\"\nurl = \"http://127.0.0.1:8086\"\norg = \"o\"\nbucket = \"b\"\ntoken_file = \"none\"\n";
    Config::from_text(Account::Unused, path, text, no_env()).unwrap();
    let problems = Config::from_text(Account::Optional, path, text, no_env()).unwrap_err().to_string();
    assert_eq!(problems.lines().count(), 6, "{problems}");
    let hashed = "[privacy]\npersonal = \"hash\"\nhash_key_file = \"none\"\n";
    assert!(Config::from_text(Account::Unused, path, hashed, no_env()).is_err(), "that one is needed");
}

#[test]
fn folders_that_nothing_is_written_to_need_not_be_there() {
    let path = std::path::Path::new("/nowhere/config.toml");
    let problems = |account, text: &str| {
        let loaded = Config::from_text(account, path, &format!("{ACCOUNT}{text}"), no_env());
        loaded.err().map_or(0, |problems| problems.iter().count())
    };
    let record = "[record]\npath = \"/no/such/r\"\n";
    let sinks = "[[influx]]\nname = \"a\"\ntarget = \"file\"\npath = \"/no/such/x\"\n\
                 [[influx]]\nname = \"b\"\ntarget = \"unix\"\npath = \"/no/such/y\"\n";
    for (account, expected) in [(Account::Required, 1), (Account::Optional, 0), (Account::Unused, 0)] {
        assert_eq!(problems(account, record), expected, "{account:?} records");
    }
    for (account, expected) in [(Account::Required, 2), (Account::Optional, 2), (Account::Unused, 0)] {
        assert_eq!(problems(account, sinks), expected, "{account:?} writes");
    }
}

#[test]
fn a_measure_rule_may_leave_its_kind_open() {
    let text = "[[producer]]\nid = \"a\"\n[[producer.measure]]\nname = \"b\"\nkind = \"\"\n\
                [[producer.measure]]\nname = \"c\"\nkind = \"state\"\n";
    let config = Folder::new().load(&format!("{ACCOUNT}{text}"), &[]).unwrap().config;
    let kinds: Vec<_> = config.producer[0].measure.iter().map(|rule| rule.kind).collect();
    assert_eq!(kinds, [None, Some(Kind::State)]);
}

fn no_env() -> impl Iterator<Item = (String, String)> {
    std::iter::empty()
}
