//! Destinations of line protocol that make no sense, and what this version lacks.

use super::*;

#[test]
fn influx_destinations_do_not_get_into_each_others_way() {
    let file = "[[influx]]\nname = \"a\"\ntarget = \"file\"\npath = ";
    assert_problems(&[
        (
            "[[influx]]\ntarget = \"stdout\"",
            "config.toml: influx[0].name: found nothing, expected a name such as main",
        ),
        (
            "[[influx]]\nname = \"a\"\ntarget = \"stdout\"\n[[influx]]\nname = \"b\"\ntarget = \"stdout\"",
            "config.toml: influx \"b\" target: found \"stdout\" again, expected stdout at most once",
        ),
        (
            "[[influx]]\nname = \"a\"\ntarget = \"stdout\"\n[[influx]]\nname = \"a\"\ntarget = \"file\"\npath = \"x.lp\"",
            "config.toml: influx[1].name: found \"a\" again, expected a name of its own",
        ),
        (
            &format!("{file}\"\""),
            "config.toml: influx \"a\" path: found nothing, expected a path, for target = \"file\"",
        ),
        (
            &format!("{file}\"/no/such/x.lp\""),
            "config.toml: influx \"a\" path: found \"/no/such/x.lp\", whose folder does not exist, expected a path in an existing folder",
        ),
        (
            &format!("{file}\"/tmp\""),
            "config.toml: influx \"a\" path: found \"/tmp\", a folder, expected the path of a file",
        ),
        (
            &format!("{file}\"x.lp\"\n[[influx]]\nname = \"b\"\ntarget = \"file\"\npath = \"x.lp\""),
            "config.toml: influx \"b\" path: found \"x.lp\" again, expected a file of its own",
        ),
        (
            &format!("{file}\"x.lp\"\ntimeout = \"0s\""),
            "config.toml: influx \"a\" timeout: found \"0s\", expected \"100ms\" to \"10m\"",
        ),
        (
            &format!("{file}\"x.lp\"\nbatch_bytes = \"0\""),
            "config.toml: influx \"a\" batch_bytes: found \"0\", expected \"1KiB\" to \"64MiB\"",
        ),
        (
            &format!("{file}\"x.lp\"\nflush_interval = \"0s\""),
            "config.toml: influx \"a\" flush_interval: found \"0s\", expected \"10ms\" to \"1h\"",
        ),
    ]);
}

#[test]
fn what_this_version_lacks_is_refused() {
    for target in ["http", "tcp", "udp", "unix"] {
        let text = format!("{ACCOUNT}[[influx]]\nname = \"a\"\ntarget = \"{target}\"");
        let expected = format!(
            "config.toml: influx \"a\" target: found \"{target}\", which is not available in this version, expected \"file\" or \"stdout\""
        );
        assert_eq!(problems(&text), expected);
    }
    let influx = "[[influx]]\nname = \"a\"\ntarget = \"stdout\"\n";
    assert_problems(&[
        (
            &format!("{influx}rotate_bytes = \"1MiB\""),
            "config.toml: influx \"a\" rotate_bytes: found \"1MiB\", which is not available in this version, expected \"0\"",
        ),
        (
            &format!("{influx}spool_dir = \"/s\""),
            "config.toml: influx \"a\" spool_dir: found \"/s\", which is not available in this version, expected \"\"",
        ),
        (
            "[web]\nlifecycle = true",
            "config.toml: web.lifecycle: found true, which is not available in this version, expected false",
        ),
        (
            "[record]\npath = \"r\"",
            "config.toml: record.path: found \"r\", which is not available in this version, expected \"\"",
        ),
    ]);
}
