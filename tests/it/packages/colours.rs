//! Colours: on a terminal, and as `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` want it; the same for logs, complaints and
//! what `explain` says.

use std::path::Path;
use std::process::Command;

use crate::commands::write_config;
use crate::packages::{ended, words};
use crate::support::{exporter, tool};

/// What begins a colour.
const ESCAPE: char = '\u{1b}';

/// What a shell line writes, on a terminal or into a pipe, with these variables and none of who runs the tests
/// (`CI` alone brings colours to a dumb terminal).
fn written(line: &str, on_terminal: bool, variables: &[(&str, &str)]) -> String {
    let mut command = if on_terminal {
        let mut script = tool("script");
        script.args(["--quiet", "--command", line, "/dev/null"]);
        script
    } else {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]);
        shell
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let command = command.env_clear().env("PATH", path).env("TERM", "xterm");
    words(&ended(command.envs(variables.iter().copied())))
}

/// A shell line that runs the exporter until it listens, and stops it: it logs both.
fn start_and_stop(folder: &Path, format: &str) -> String {
    let socket = folder.join(format!("{format}.sock"));
    let text = format!(
        "[axp]\napi_url = \"http://127.0.0.1:1\"\naccount_id = \"ABCDEF\"\nclient_id = \"me\"\n\
         client_secret = \"hush\"\napp_key = \"hush\"\n[web]\nlisten = \"unix:{}\"\n[log]\nformat = \"{format}\"\n",
        socket.display()
    );
    let folder = folder.join(format);
    std::fs::create_dir_all(&folder).unwrap();
    let config = write_config(&folder, &text);
    let program = exporter::<&str>([]).get_program().display().to_string();
    let socket = socket.display();
    format!(
        "'{program}' run -c '{config}' & \
         until [ -S '{socket}' ] || ! kill -0 $!; do sleep 0.02; done; kill $!; wait $!"
    )
}

#[test]
fn logs_and_complaints_are_coloured_on_a_terminal_unless_the_environment_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let log = start_and_stop(folder.path(), "text");
    let program = exporter::<&str>([]).get_program().display().to_string();
    let complaint = format!("'{program}' rnu");
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/queue-event.json");
    let explanation = format!("'{program}' explain '{}'", event.display());
    for (line, part) in
        [(&log, "stopped"), (&complaint, "unrecognized subcommand"), (&explanation, "Queue_itd")]
    {
        for (on_terminal, variables, coloured) in [
            (true, &[][..], true),
            (false, &[][..], false),
            (true, &[("NO_COLOR", "1")][..], false),
            (true, &[("NO_COLOR", "")][..], true),
            (true, &[("CLICOLOR", "0")][..], false),
            (true, &[("TERM", "dumb")][..], false),
            (false, &[("CLICOLOR_FORCE", "1")][..], true),
        ] {
            let text = written(line, on_terminal, variables);
            assert!(text.contains(part), "{text}");
            assert_eq!(text.contains(ESCAPE), coloured, "{on_terminal} {variables:?}: {text:?}");
        }
    }
}

#[test]
fn logs_in_json_have_no_colours_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let text = written(&start_and_stop(folder.path(), "json"), true, &[("CLICOLOR_FORCE", "1")]);
    assert!(text.contains("\"message\":\"stopped\"") && !text.contains(ESCAPE), "{text:?}");
}
