//! The man page, as `axp-exporter generate man` writes it.

use std::fs;
use std::path::Path;

use axp_exporter::command::Exit;

use crate::packages::{repository, said, words};
use crate::support::{exporter, tool};

/// The page as a terminal shows it, without bold and underlined.
fn shown(folder: &Path) -> String {
    let path = folder.join("axp-exporter.1");
    fs::write(&path, said(&mut exporter(["generate", "man"]))).unwrap();
    let shown = said(tool("mandoc").args(["-T", "ascii"]).arg(path));
    let mut text = String::new();
    for letter in shown.chars() {
        if letter == '\u{8}' { text.truncate(text.len() - 1) } else { text.push(letter) }
    }
    text
}

#[test]
fn mandoc_has_nothing_to_say_about_the_page_but_that_it_bears_no_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("axp-exporter.1");
    fs::write(&path, said(&mut exporter(["generate", "man"]))).unwrap();
    let output = tool("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&path).output().unwrap();
    let text = words(&output);
    let complaints: Vec<&str> = text.lines().filter(|line| !line.contains("WARNING: missing date")).collect();
    assert_eq!(complaints, [""; 0]);
}

#[test]
fn the_page_has_every_command_with_its_options_and_every_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let page = shown(folder.path());
    let help = said(&mut exporter(["--help"]));
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<&str> = names.filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(names.contains(&"run"), "{help}");
    for name in names {
        assert!(page.contains(&format!("axp-exporter {name}")), "{name} under SYNOPSIS:\n{page}");
        let part = page.split(&format!("\n   {name}\n")).nth(1);
        let part = part.unwrap_or_else(|| panic!("{name} under COMMANDS:\n{page}"));
        for word in said(&mut exporter([name, "--help"])).split_whitespace() {
            let option = word.trim_end_matches(',');
            if option.starts_with("--") && option != "--help" {
                assert!(part.contains(option), "{option} of {name}:\n{part}");
            }
        }
    }
    let statuses = page.split("\nEXIT STATUS\n").nth(1).unwrap().split("\nSIGNALS\n").next().unwrap();
    for exit in [Exit::Success, Exit::Usage, Exit::Internal, Exit::Config] {
        let begin = format!("       {} ", exit as u8);
        assert!(statuses.lines().any(|line| line.starts_with(&begin)), "{exit:?} in\n{statuses}");
    }
}

#[test]
fn the_paths_that_the_page_names_are_those_of_the_packages() {
    let folder = tempfile::tempdir().unwrap();
    let page = shown(folder.path());
    let packages = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let mut seen = 0;
    for path in page.split_whitespace().filter_map(|word| word.strip_prefix("/usr/share/")) {
        let path = path.trim_end_matches(['.', ',']);
        assert!(packages.contains(&format!("usr/share/{path}")), "{path}");
        seen += 1;
    }
    assert!(seen >= 3, "{page}");
}
