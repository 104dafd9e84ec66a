//! The .deb: what is in it, and what becomes of a machine that has it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::commands::simulator;
use crate::packages::root::Root;
use crate::packages::{deb, metrics_url, repository, said, words};
use crate::support::{PATIENCE, Process, get, tool, wait_for};

/// Everything in it but folders, dashboards and docs.
const FILES: [&str; 23] = [
    "-rw-r--r-- /etc/axp-exporter/config.toml",
    "-rwxr-xr-x /usr/bin/axp-exporter",
    "-rw-r--r-- /usr/lib/systemd/system/axp-exporter.service",
    "-rw-r--r-- /usr/lib/systemd/system/axp-exporter.socket",
    "-rw-r--r-- /usr/lib/systemd/system/axp-exporter@.service",
    "-rw-r--r-- /usr/share/axp-exporter/provisioning/dashboards/axp.yml",
    "-rw-r--r-- /usr/share/axp-exporter/provisioning/datasources/axp.yml",
    "-rw-r--r-- /usr/share/axp-exporter/rules/alerts.yml",
    "-rw-r--r-- /usr/share/axp-exporter/rules/recording.yml",
    "-rw-r--r-- /usr/share/bash-completion/completions/axp-exporter",
    "-rw-r--r-- /usr/share/doc/axp-exporter/README.md",
    "-rw-r--r-- /usr/share/doc/axp-exporter/changelog.Debian.gz",
    "-rw-r--r-- /usr/share/doc/axp-exporter/changelog.gz",
    "-rw-r--r-- /usr/share/doc/axp-exporter/copyright",
    "-rw-r--r-- /usr/share/doc/axp-exporter/examples/config.toml",
    "-rw-r--r-- /usr/share/doc/axp-exporter/examples/prometheus.yml",
    "-rw-r--r-- /usr/share/doc/axp-exporter/examples/telegraf.conf",
    "-rw-r--r-- /usr/share/doc/axp-exporter/systemd.md",
    "-rw-r--r-- /usr/share/doc/axp-exporter/third-party.gz",
    "-rw-r--r-- /usr/share/fish/vendor_completions.d/axp-exporter.fish",
    "-rw-r--r-- /usr/share/man/man1/axp-exporter.1.gz",
    "-rw-r--r-- /usr/share/zsh/vendor-completions/_axp-exporter",
    // Last, as it is not a file.
    "drwxr-xr-x /etc/axp-exporter",
];

/// Mode and path of each entry that is not one of the files' own folders; all are root's.
fn entries() -> BTreeSet<String> {
    let listed = said(tool("dpkg-deb").arg("--contents").arg(deb()));
    let entry = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1], "0/0", "not root's: {line}");
        let path = words[5].trim_start_matches('.').trim_end_matches('/');
        assert!(!words[0].starts_with('d') || words[0] == "drwxr-xr-x", "{line}");
        format!("{} {path}", words[0])
    };
    listed.lines().map(entry).collect()
}

/// What lies in a folder of the repository, as entries below another.
fn files_of(folder: &str, ending: &str, below: &str) -> Vec<String> {
    let files = fs::read_dir(repository().join(folder)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).map(|name| format!("-rw-r--r-- {below}/{name}")).collect()
}

#[test]
fn the_deb_holds_what_an_administrator_needs_and_everything_is_roots() {
    let mut expected: BTreeSet<String> = FILES.iter().map(|&file| file.to_owned()).collect();
    for server in ["prometheus", "influxdb"] {
        let below = format!("/usr/share/axp-exporter/dashboards/{server}");
        expected.extend(files_of(&format!("dashboards/{server}"), ".json", &below));
    }
    expected.extend(files_of("docs", ".md", "/usr/share/doc/axp-exporter/docs"));
    let is_ours = |entry: &String| !entry.starts_with('d') || entry.ends_with(" /etc/axp-exporter");
    let found: BTreeSet<String> = entries().into_iter().filter(is_ours).collect();
    assert_eq!(found, expected);
}

#[test]
fn lintian_finds_nothing_wrong_with_the_deb() {
    let mut lintian = tool("lintian");
    // Debian's archive wants a bug to be closed by the first upload; we are not in it.
    lintian.args([
        "--suppress-tags",
        "initial-upload-closes-no-bugs",
        "--allow-root",
        "--fail-on",
        "error,warning",
    ]);
    let output = lintian.arg(deb()).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{}", words(&output));
}

/// Waits for the first series of measures on `/metrics`.
fn first_series(exporter: &Process) -> String {
    let url = metrics_url(exporter);
    wait_for("series of a measure", PATIENCE, || {
        let body = get(&url).ok();
        let series = body.lines().find(|line| line.starts_with("axp_queue_itd_")).map(str::to_owned);
        series.ok_or_else(|| exporter.stderr())
    })
}

/// The .deb as its next version would be, with another configuration in it.
fn next_version(folder: &Path) -> PathBuf {
    let (tree, next) = (folder.join("tree"), folder.join("next.deb"));
    said(tool("dpkg-deb").arg("--raw-extract").arg(deb()).arg(&tree));
    let change = |path: &str, from: &str, to: &str| {
        let path = tree.join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in\n{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    };
    change("DEBIAN/control", &format!("Version: {}-1\n", env!("CARGO_PKG_VERSION")), "Version: 99.0.0-1\n");
    change("etc/axp-exporter/config.toml", "# Six letters.\n", "# Six letters, as before.\n");
    said(tool("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]).arg(&tree).arg(&next));
    next
}

/// What a run under systemd leaves behind, of the service and of an instance.
fn leave_state(root: &Root) {
    for name in ["axp-exporter", "axp-exporter-berlin"] {
        let folder = root.path("var/lib/private").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("subscriptions.json"), "{}").unwrap();
        symlink(format!("private/{name}"), root.path("var/lib").join(name)).unwrap();
    }
}

#[test]
fn the_deb_is_installed_filled_in_run_upgraded_and_purged_without_a_trace() {
    let (mut simulator, account) = simulator();
    let root = Root::new();
    fs::create_dir_all(root.path("var/lib/private")).unwrap();
    let before = root.paths();
    let package = deb().to_str().unwrap();

    let begun = Instant::now();
    root.dpkg(&["--install", package]);
    let installed = begun.elapsed();
    let (code, text) = root.run(&["check"]);
    let named: Vec<&str> = text.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    let missing = ["axp.account_id", "axp.client_id", "axp.client_secret_file", "axp.app_key_file"];
    assert_eq!((code, named), (78, missing.to_vec()), "just what has to be filled in:\n{text}");

    let config = root.fill_in(&account);
    assert_eq!(root.run(&["check"]).0, 0, "{}", root.run(&["check"]).1);
    let mut exporter = Process::start(root.program(&["run"]));
    let series = first_series(&exporter);
    println!("installed in {installed:?}; the first series after {:?}: {series}", begun.elapsed());
    assert!(exporter.stop().success(), "{}", exporter.stderr());
    assert!(simulator.stop().success());
    leave_state(&root);

    let folder = tempfile::tempdir().unwrap();
    let next = next_version(folder.path());
    root.dpkg(&["--force-confdef", "--force-confold", "--install", next.to_str().unwrap()]);
    let path = root.path("etc/axp-exporter/config.toml");
    assert_eq!(fs::read_to_string(&path).unwrap(), config, "a file that was changed stays");
    assert!(root.path("etc/axp-exporter/config.toml.dpkg-dist").is_file(), "the new one lies beside it");

    root.dpkg(&["--remove", "axp-exporter"]);
    assert!(!root.path("usr/bin/axp-exporter").exists());
    assert_eq!(fs::read_to_string(&path).unwrap(), config, "a removal leaves the configuration");
    assert!(root.path("etc/axp-exporter/app_key").exists() && root.path("var/lib/axp-exporter").exists());
    root.dpkg(&["--purge", "axp-exporter"]);
    let after = root.paths();
    let left: Vec<&PathBuf> = after.difference(&before).collect();
    assert!(left.is_empty(), "a purge leaves nothing: {left:?}");
}

#[test]
fn under_systemd_nothing_starts_by_itself_an_upgrade_restarts_what_runs_and_a_removal_stops_it() {
    let root = Root::new();
    root.pretend_systemd();
    root.dpkg(&["--install", deb().to_str().unwrap()]);
    let calls = root.calls();
    assert!(calls.contains(&"systemctl --system daemon-reload".to_owned()), "{calls:?}");
    let begins = |call: &&String| [" start", " restart", " enable"].iter().any(|word| call.contains(word));
    assert_eq!(calls.iter().find(begins), None, "{calls:?}");

    let folder = tempfile::tempdir().unwrap();
    let next = next_version(folder.path());
    root.dpkg(&["--install", next.to_str().unwrap()]);
    let calls = root.calls();
    for units in ["axp-exporter.service axp-exporter.socket", "axp-exporter@*.service"] {
        let restart = format!("deb-systemd-invoke try-restart {units}");
        assert!(calls.contains(&restart), "{restart} in {calls:?}");
    }
    assert!(!calls.iter().any(|call| call.starts_with("deb-systemd-invoke stop")), "no gap: {calls:?}");

    root.dpkg(&["--purge", "axp-exporter"]);
    let calls = root.calls();
    for units in ["axp-exporter.service axp-exporter.socket", "axp-exporter@*.service"] {
        let stop = format!("deb-systemd-invoke stop {units}");
        assert!(calls.contains(&stop), "{stop} in {calls:?}");
    }
}

#[test]
fn the_same_program_gives_the_same_deb() {
    let again = tempfile::tempdir().unwrap();
    let program = again.path().join("release/axp-exporter");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_axp-exporter"), &program).unwrap();
    let mut build = Command::new(repository().join("packaging/build"));
    said(build.args(["--no-build", "--fast", "deb"]).env("CARGO_TARGET_DIR", again.path()));
    let made = again.path().join("packages").join(deb().file_name().unwrap());
    assert!(fs::read(deb()).unwrap() == fs::read(made).unwrap(), "two builds differ");
}
