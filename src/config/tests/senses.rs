//! What can be read but makes no sense, section by section.

use super::*;
use crate::config::Address;

#[test]
fn the_account_is_checked() {
    let folder = Folder::new();
    for (key, value, expected) in [
        (
            "ACCOUNT_ID",
            "",
            "axp.account_id: found nothing, expected the account's six letters, such as ABCDEF",
        ),
        (
            "ACCOUNT_ID",
            "ABCDE1",
            "axp.account_id: found \"ABCDE1\", expected the account's six letters, such as ABCDEF",
        ),
        ("CLIENT_ID", "", "axp.client_id: found nothing, expected the id of the account's API client"),
        ("LOCALE", "", "axp.locale: found nothing, expected a language tag such as \"en\" or \"de-DE\""),
        (
            "LOCALE",
            "en us",
            "axp.locale: found \"en us\", expected a language tag such as \"en\" or \"de-DE\"",
        ),
    ] {
        let name = format!("AXP_EXPORTER_AXP__{key}");
        let expected = format!("environment variable {name}: {expected}");
        assert_eq!(folder.problems(ACCOUNT, &[(&name, value)]), expected);
    }
}

#[test]
fn addresses_are_https_unless_they_stay_on_this_machine() {
    let folder = Folder::new();
    for good in [
        "https://api.example",
        "https://api.example:8443/base",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://localhost:1",
        "http://[::1]:1",
    ] {
        let text = format!("{ACCOUNT}api_url = \"{good}\"\ntoken_url = \"{good}\"");
        assert!(folder.load(&text, &[]).is_ok(), "{good}");
    }
    for (bad, expected) in [
        ("", "found nothing, expected an address such as https://host.example"),
        ("api.example", "found \"api.example\", expected an address such as https://host.example"),
        (
            "wss://api.example",
            "found \"wss://api.example\", expected an address such as https://host.example",
        ),
        (
            "http://api.example",
            "found \"http://api.example\", expected https; plain http is for loopback only",
        ),
        (
            "http://127.0.0.1.example",
            "found \"http://127.0.0.1.example\", expected https; plain http is for loopback only",
        ),
        (
            "https://a:canary@api.example",
            "found \"https://…@api.example\", expected an address without user and password",
        ),
        (
            "https://a:can?ary@api.example",
            "found \"https://…@api.example\", expected an address such as https://host.example",
        ),
        (
            "https://api.example/?t=canary",
            "found \"https://api.example/?…\", expected an address without query and fragment",
        ),
    ] {
        let text = format!("{ACCOUNT}api_url = \"{bad}\"");
        assert_eq!(folder.problems(&text, &[]), format!("config.toml: axp.api_url: {expected}"));
    }
    assert_problems(&[(
        "token_url = \"http://api.example\"",
        "config.toml: axp.token_url: found \"http://api.example\", expected https; plain http is for loopback only",
    )]);
}

#[test]
fn endpoint_hosts_are_names_or_domains() {
    let folder = Folder::new();
    let text =
        format!("{ACCOUNT}endpoint_hosts = [\"a.example\", \"*.b.example\", \"localhost\", \"127.0.0.1\"]");
    assert!(folder.load(&text, &[]).is_ok());
    for bad in [
        "",
        "*",
        "*.com",
        "a.*.com",
        "*.*.com",
        "https://a.example",
        "a.example:443",
        "*.a.example.",
        ".a.example",
        "a b",
    ] {
        let found = if bad.is_empty() { "nothing".to_owned() } else { format!("\"{bad}\"") };
        let expected = format!(
            "config.toml: axp.endpoint_hosts[1]: found {found}, expected a host name, or \"*.\" and a domain such as \"*.avayacloud.com\""
        );
        let text = format!("{ACCOUNT}endpoint_hosts = [\"a.example\", \"{bad}\"]");
        assert_eq!(folder.problems(&text, &[]), expected);
    }
}

#[test]
fn a_ca_file_must_hold_a_certificate() {
    let folder = Folder::new();
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    folder.write("ca.pem", pem, 0o644);
    folder.write("key.pem", "-----BEGIN PRIVATE KEY-----", 0o644);
    let most = 4 << 20;
    folder.write("most.pem", "x".repeat(most), 0o644);
    folder.write("more.pem", "x".repeat(most + 1), 0o644);
    let loaded = folder.load(&format!("{ACCOUNT}ca_file = \"ca.pem\""), &[]).unwrap();
    assert_eq!(loaded.ca_file, Some(folder.path("ca.pem")));
    for (bad, found) in [
        ("none.pem", "\"none.pem\", no such file"),
        ("key.pem", "\"key.pem\", without a certificate"),
        (".", "\".\", not a regular file"),
        ("most.pem", "\"most.pem\", without a certificate"),
        ("more.pem", "\"more.pem\", longer than 4 MiB"),
    ] {
        let text = format!("{ACCOUNT}ca_file = \"{bad}\"");
        let expected =
            format!("config.toml: axp.ca_file: found {found}, expected a file with PEM certificates");
        assert_eq!(folder.problems(&text, &[]), expected);
    }
}

#[test]
fn numbers_have_bounds() {
    assert_problems(&[
        ("ping_interval = \"0s\"", "config.toml: axp.ping_interval: found \"0s\", expected \"1s\" to \"5m\""),
        ("ping_interval = \"6m\"", "config.toml: axp.ping_interval: found \"6m\", expected \"1s\" to \"5m\""),
        (
            "stale_after = \"999ms\"",
            "config.toml: axp.stale_after: found \"999ms\", expected \"1s\" to \"24h\"",
        ),
        (
            "snapshot_quiet = \"49ms\"",
            "config.toml: axp.snapshot_quiet: found \"49ms\", expected \"50ms\" to \"10m\"",
        ),
        ("[limits]\nseries = 0", "config.toml: limits.series: found 0, expected at least 1"),
        (
            "[limits]\nframe_bytes = \"0\"",
            "config.toml: limits.frame_bytes: found \"0\", expected \"1KiB\" to \"256MiB\"",
        ),
        (
            "[limits]\nlabel_value_bytes = 15",
            "config.toml: limits.label_value_bytes: found 15, expected 16 to 65536",
        ),
        (
            "[limits]\nlabel_value_bytes = 65537",
            "config.toml: limits.label_value_bytes: found 65537, expected 16 to 65536",
        ),
    ]);
}

#[test]
fn relabel_rules_must_compile() {
    let rule = "[[relabel]]\ntarget_label = \"a\"\n";
    let text = format!("{ACCOUNT}{rule}{rule}regex = \"(\"");
    assert!(problems(&text).starts_with("config.toml: relabel[1].regex: \"(\" "));
}

/// What `web.listen` may be.
const ADDRESS: &str = "host:port such as 127.0.0.1:9955, :port, unix:/path or systemd";

#[test]
fn several_addresses_fit_into_a_variable() {
    let variables = [("AXP_EXPORTER_WEB__LISTEN", ":1, unix:/run/a.sock")];
    let loaded = Folder::new().load(ACCOUNT, &variables).unwrap();
    let addresses: Vec<_> = loaded.config.web.listen.addresses().collect();
    assert_eq!(addresses, [Address::Everywhere(1), Address::Unix("/run/a.sock".into())]);
}

#[test]
fn the_server_needs_an_address_and_a_free_path() {
    let one = [
        "0.0.0.0:9955",
        "[::]:0",
        "localhost:9955",
        "metrics.example:1",
        ":9955",
        "unix:/run/a.sock",
        "systemd",
    ];
    for good in one.map(|address| format!("{address:?}")).into_iter().chain([
        "\":1, unix:/a\"".to_owned(),
        "[\":1\"]".to_owned(),
        "[\"[::1]:1\", \"unix:/a,b\", \"systemd\"]".to_owned(),
    ]) {
        let text = format!("{ACCOUNT}[web]\nlisten = {good}");
        assert!(Folder::new().load(&text, &[]).is_ok(), "{good}");
    }
    let bad =
        ["9955", ":", ":70000", "localhost", "::1:9955", "localhost:70000", "a b:1", "http://localhost:1"];
    for bad in bad.iter().chain(&["unix:a", "unix:/", "unix:", "Systemd", "vsock://2:1"]) {
        let text = format!("{ACCOUNT}[web]\nlisten = \"{bad}\"");
        let expected = format!("config.toml: web.listen: found \"{bad}\", expected {ADDRESS}");
        assert_eq!(problems(&text), expected);
    }
    let many: Vec<_> = (1..=17).map(|port| format!(":{port}")).collect();
    for (bad, expected) in [
        ("[]".to_owned(), format!("config.toml: web.listen: found nothing, expected {ADDRESS}")),
        ("\"\"".to_owned(), format!("config.toml: web.listen: found nothing, expected {ADDRESS}")),
        (
            "[\":1\", \"b\"]".to_owned(),
            format!("config.toml: web.listen[1]: found \"b\", expected {ADDRESS}"),
        ),
        (
            "[\":1\", \":1\"]".to_owned(),
            "config.toml: web.listen[1]: found \":1\", expected each address once".to_owned(),
        ),
        (format!("{many:?}"), "config.toml: web.listen: found 17 addresses, expected at most 16".to_owned()),
        (
            "9955".to_owned(),
            "config.toml: web.listen: found 9955, expected an address in quotes or a list of such".to_owned(),
        ),
    ] {
        assert_eq!(problems(&format!("{ACCOUNT}[web]\nlisten = {bad}")), expected);
    }
    for (bad, expected) in [
        ("metrics", "a path such as /metrics"),
        ("/a b", "a path such as /metrics"),
        ("/a?b", "a path such as /metrics"),
        ("/", "a path that the server does not use itself, such as /metrics"),
        ("/-/healthy", "a path that the server does not use itself, such as /metrics"),
        ("/-/reload", "a path that the server does not use itself, such as /metrics"),
        ("/api/v1/status", "a path that the server does not use itself, such as /metrics"),
    ] {
        let text = format!("{ACCOUNT}[web]\nmetrics_path = \"{bad}\"");
        let expected = format!("config.toml: web.metrics_path: found \"{bad}\", expected {expected}");
        assert_eq!(problems(&text), expected);
    }
}
