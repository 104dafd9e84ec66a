//! Completions, as `axp-exporter generate` writes them, by the shells that they are for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages::said;
use crate::support::{exporter, tool};

fn completions(shell: &str, folder: &Path) -> PathBuf {
    let path = folder.join(shell);
    fs::write(&path, said(&mut exporter(["generate", shell]))).unwrap();
    path
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = completions("bash", folder.path());
    let complete = |words: &str| {
        let script = format!(
            "source {path:?}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             registered=($(complete -p axp-exporter))\n\
             \"${{registered[-2]}}\" axp-exporter \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        said(Command::new("bash").args(["--norc", "--noprofile", "-c", &script])).trim().to_owned()
    };
    assert_eq!(complete("axp-exporter prod"), "producers");
    assert_eq!(complete("axp-exporter run --conf"), "--config");
    assert_eq!(complete("axp-exporter generate z"), "zsh");
}

#[test]
fn fish_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = completions("fish", folder.path());
    let complete = |line: &str| {
        let mut fish = tool("fish");
        fish.env("HOME", folder.path()).args(["--no-config", "--command"]);
        let words = said(fish.arg(format!("source {path:?}; complete --do-complete '{line}'")));
        words.split('\t').next().unwrap().to_owned()
    };
    assert_eq!(complete("axp-exporter prod"), "producers");
    assert_eq!(complete("axp-exporter run --conf"), "--config");
}

#[test]
fn zsh_takes_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let path = completions("zsh", folder.path());
    assert_eq!(said(tool("zsh").args(["-f", "-n"]).arg(&path)), "");
    // By its first line zsh finds out what a file in $fpath is for.
    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("#compdef axp-exporter\n"), "{text}");
    assert!(text.contains("producers:Show what the account offers"), "{text}");
}
