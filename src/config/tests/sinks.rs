//! Destinations of line protocol and recordings that make no sense.

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
        (
            &format!("{file}\"x.lp\"\nrotate_bytes = \"1\"\nrotate_keep = 1001"),
            "config.toml: influx \"a\" rotate_bytes: found \"1\", expected \"0\", or \"1KiB\" or more\n\
             config.toml: influx \"a\" rotate_keep: found 1001, expected 0 to 1000",
        ),
        (
            &format!("{file}\"x.lp\"\nspool_bytes = \"1KiB\"\nspool_age = \"0s\""),
            "config.toml: influx \"a\" spool_bytes: found \"1KiB\", expected \"1MiB\" to \"1024GiB\"\n\
             config.toml: influx \"a\" spool_age: found \"0s\", expected \"1s\" to \"8784h\"",
        ),
        (
            "[[influx]]\nname = \"a\"\ntarget = \"udp\"\naddress = \"h:1\"\nspool_dir = \"/s\"",
            "config.toml: influx \"a\" spool_dir: found \"/s\", expected nothing, for target = \"udp\"",
        ),
        (
            &format!(
                "{file}\"x.lp\"\nspool_dir = \"/s\"\n[[influx]]\nname = \"b\"\ntarget = \"tcp\"\naddress = \"h:1\"\nspool_dir = \"/s\""
            ),
            "config.toml: influx \"b\" spool_dir: found \"/s\" again, expected a folder of its own",
        ),
        (
            "[[influx]]\nname = \"a\"\norg = \"o\"\nbucket = \"b\"",
            "config.toml: influx \"a\" token_file: found nothing, expected a file that holds the secret, or token",
        ),
    ]);
}

#[test]
fn a_recording_has_a_file_of_its_own() {
    let sink = "[[influx]]\nname = \"a\"\ntarget = \"file\"\npath = \"x\"\n";
    assert_problems(&[
        (
            "[record]\npath = \"/tmp\"\nrotate_bytes = \"1\"\nrotate_keep = 1001",
            "config.toml: record.path: found \"/tmp\", a folder, expected the path of a file\n\
             config.toml: record.rotate_bytes: found \"1\", expected \"0\", or \"1KiB\" or more\n\
             config.toml: record.rotate_keep: found 1001, expected 0 to 1000",
        ),
        (
            "[record]\npath = \"/no/such/r\"",
            "config.toml: record.path: found \"/no/such/r\", whose folder does not exist, expected a path in an existing folder",
        ),
        (
            &format!("{sink}[record]\npath = \"x\""),
            "config.toml: record.path: found \"x\" again, expected a file of its own",
        ),
    ]);
}
