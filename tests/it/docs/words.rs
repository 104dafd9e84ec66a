//! Words: keys, variables, metrics, alerts, log lines and commands that pages name are there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axp_exporter::command::CommandLine;
use axp_exporter::config::{Account, Config};
use axp_exporter::web::config::Draft;
use clap::Parser;
use regex::Regex;
use tempfile::TempDir;

use crate::docs::page::{Block, Page, root};
use crate::docs::{configuration, measures};

/// Files with secrets that examples name: long enough for the key of hashes.
const SECRETS: [&str; 5] = ["client_secret", "app_key", "influx_token", "influx_password", "hash_key"];

/// A folder with the files that examples name.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let pair = rcgen::generate_simple_self_signed(["exporter.example".to_owned()]).unwrap();
    let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    let secrets = SECRETS.map(|name| (name, "0123456789abcdef0123456789abcdef"));
    let certificates = ["server.crt", "clients-ca.pem", "client.pem", "proxy-ca.pem"]
        .map(|name| (name, certificate.as_str()));
    let keys = ["server.key", "client.key"].map(|name| (name, key.as_str()));
    let web = [("web-config.yml", "basic_auth_users: {}\n")];
    for (name, text) in secrets.into_iter().chain(certificates).chain(keys).chain(web) {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// Blocks in one language, with the page they stand on.
fn blocks(pages: &[Page], wanted: impl Fn(&Block) -> bool) -> impl Iterator<Item = (&Path, &str)> {
    pages.iter().flat_map(move |page| {
        let wanted = page.blocks.iter().filter(|block| wanted(block)).collect::<Vec<_>>();
        wanted.into_iter().map(|block| (page.path.as_path(), block.text.as_str()))
    })
}

#[test]
fn every_key_and_variable_that_is_named_exists() {
    let keys = configuration::names();
    let key = Regex::new(&format!("^(?:{})\\.[a-z_.]+$", configuration::section_names().join("|"))).unwrap();
    let variable = Regex::new("AXP_EXPORTER_([A-Z]+)__([A-Z_]+)").unwrap();
    for page in Page::all() {
        for span in page.spans().iter().filter(|span| key.is_match(span)) {
            assert!(keys.contains(span), "{}: {span}", page.path.display());
        }
        for found in variable.captures_iter(&page.text) {
            let span = format!("{}.{}", &found[1], &found[2]).to_lowercase();
            assert!(keys.contains(&span), "{}: {}", page.path.display(), &found[0]);
        }
    }
}

#[tokio::test]
async fn every_metric_that_is_named_exists() {
    let exposition = measures::exposition().await;
    let mut names = measures::metrics_of_axp();
    for line in exposition.lines() {
        let name = line.strip_prefix("# TYPE ").unwrap_or(line);
        names.extend(name.split([' ', '{']).next().map(str::to_owned));
    }
    let metric = Regex::new("axp_(?:exporter|[a-z_]+_itd)_[a-z0-9_]*[a-z0-9]").unwrap();
    for page in Page::all() {
        for found in metric.find_iter(&page.text).map(|found| found.as_str()) {
            assert!(names.contains(found), "{}: {found}", page.path.display());
        }
    }
}

#[test]
fn every_alert_that_is_named_exists() {
    let rules = fs::read_to_string(root().join("rules/alerts.yml")).unwrap();
    let alert = Regex::new(r"\bAxp[A-Z][A-Za-z]+").unwrap();
    for page in Page::all() {
        for found in alert.find_iter(&page.text).map(|found| found.as_str()) {
            assert!(rules.contains(&format!("alert: {found}\n")), "{}: {found}", page.path.display());
        }
    }
}

#[test]
fn every_log_line_that_is_explained_is_one() {
    fn source(folder: &Path) -> String {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let text = |path: &Path| if path.is_dir() { source(path) } else { fs::read_to_string(path).unwrap() };
        entries.map(|path| text(&path)).collect()
    }
    let (source, span) = (source(&root().join("src")), Regex::new("`([^`]+)`").unwrap());
    let mut explained = 0;
    for page in Page::all() {
        for (_, rows) in page.tables().iter().filter(|(_, rows)| rows[0][0] == "the log says") {
            for row in &rows[1..] {
                for found in span.captures_iter(&row[0]) {
                    assert!(source.contains(&found[1]), "{}: {}", page.path.display(), &found[1]);
                    explained += 1;
                }
            }
        }
    }
    assert!(explained > 10);
}

#[test]
fn every_command_that_is_shown_can_be_given() {
    let pages = Page::all();
    let mut commands = 0;
    for (page, text) in blocks(&pages, |block| ["", "sh"].contains(&block.language.as_str())) {
        for line in text.replace("\\\n", "").lines() {
            for command in line.split(" #").next().unwrap().split([';', '|', '<', '>', '&']) {
                let mut words = command.split_whitespace().skip_while(|word| *word == "sudo").peekable();
                if words.peek() != Some(&"axp-exporter") {
                    continue;
                }
                let parsed = CommandLine::try_parse_from(words);
                let is_good = parsed.as_ref().err().is_none_or(|err| !err.use_stderr());
                assert!(is_good, "{}: {line}\n{}", page.display(), parsed.unwrap_err());
                commands += 1;
            }
        }
    }
    assert!(commands > 10);
}

#[test]
fn every_configuration_that_is_shown_can_be_used() {
    let (pages, folder) = (Page::all(), folder());
    for (page, text) in blocks(&pages, |block| block.language == "toml") {
        let here = folder.path().to_str().unwrap();
        let mut local = text.to_owned();
        for elsewhere in ["/etc/axp-exporter", "/var/lib/axp-exporter", "/var/log/axp", "/run/telegraf"] {
            local = local.replace(elsewhere, here);
        }
        let path = folder.path().join("config.toml");
        let loaded = Config::from_text(Account::Optional, &path, &local, std::iter::empty());
        assert!(loaded.is_ok(), "{}: {}\n{text}", page.display(), loaded.unwrap_err());
    }
}

#[test]
fn every_web_configuration_that_is_shown_can_be_used() {
    let (pages, folder) = (Page::all(), folder());
    let is_web = |block: &Block| {
        block.language == "yaml" && (block.text.contains("_server_config:") || block.text.contains("_users:"))
    };
    let mut shown = 0;
    for (page, text) in blocks(&pages, is_web) {
        let path = folder.path().join("shown.yml");
        fs::write(&path, text.replace("/etc/axp-exporter", folder.path().to_str().unwrap())).unwrap();
        let built = Draft::read(&path).and_then(Draft::build);
        assert!(built.is_ok(), "{}: {}\n{text}", page.display(), built.unwrap_err());
        shown += 1;
    }
    assert!(shown > 0);
}

#[test]
fn what_takes_a_restart_is_what_the_program_refuses_to_reload() {
    let source = fs::read_to_string(root().join("src/app/change.rs")).unwrap();
    let frozen = source.split_once("let keys = [").unwrap().1.split_once("];").unwrap().0;
    let quoted = Regex::new(r#"\("([a-z._]+)","#).unwrap();
    let refused: BTreeSet<_> = quoted.captures_iter(frozen).map(|found| found[1].to_owned()).collect();
    let page = Page::read(Path::new("docs/upgrade.md"));
    let (_, rows) = page.tables().into_iter().find(|(_, rows)| rows[0][0] == "takes a restart").unwrap();
    let span = Regex::new("`([^`]+)`").unwrap();
    let cells = rows[1..].iter().map(|row| row[0].clone()).collect::<String>();
    let named: BTreeSet<_> = span.captures_iter(&cells).map(|found| found[1].to_owned()).collect();
    assert_eq!(named, refused);
}
