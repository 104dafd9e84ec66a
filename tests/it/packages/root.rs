//! A root file system of its own, on which dpkg works as on a machine: with a shell, the few commands that scripts
//! use, and the libraries of the program. The machine itself is not touched.
//!
//! It has no systemd, as containers have none; [`Root::pretend_systemd`] puts commands there that write down how
//! they are called.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::packages::{ended, said, words};
use crate::support::tool;

/// What there is before anything is installed.
const FOLDERS: [&str; 9] = [
    "dev",
    "etc",
    "run",
    "tmp",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "var/lib/dpkg/info",
    "var/lib/dpkg/updates",
];

/// What maintainer scripts may call.
const COMMANDS: [&str; 2] = ["sh", "rm"];

/// The commands of systemd's that maintainer scripts call.
const SYSTEMD: [&str; 3] = ["systemctl", "deb-systemd-invoke", "deb-systemd-helper"];

/// The root; gone when dropped.
pub(crate) struct Root(tempfile::TempDir);

impl Root {
    /// A root with nothing installed.
    pub(crate) fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for folder in FOLDERS {
            fs::create_dir_all(root.path(folder)).unwrap();
        }
        for (link, folder) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
            symlink(folder, root.path(link)).unwrap();
        }
        // The device cannot be made everywhere; a file takes what goes there as well.
        for file in ["dev/null", "var/lib/dpkg/status"] {
            fs::write(root.path(file), "").unwrap();
        }
        for command in COMMANDS {
            let program = said(Command::new("sh").args(["-c", "command -v \"$0\"", command]));
            let program = fs::canonicalize(program.trim()).unwrap();
            root.bring_libraries(&program);
            fs::copy(&program, root.path("usr/bin").join(command)).unwrap();
        }
        root.bring_libraries(Path::new(env!("CARGO_BIN_EXE_axp-exporter")));
        root
    }

    /// A path below the root.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    /// The shared libraries of a program, where it looks for them.
    fn bring_libraries(&self, program: &Path) {
        let listed = said(Command::new("ldd").arg(program));
        for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
            let to = self.path(library);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(library, to).unwrap();
        }
    }

    /// Makes it look as if systemd ran, with commands that write down how they are called. Asked whether a unit was
    /// there or enabled before, they say no.
    pub(crate) fn pretend_systemd(&self) {
        const SCRIPT: &str = "#!/bin/sh\necho \"${0##*/} $*\" >>/calls\n\
                              case \"$*\" in *debian-installed*|*was-enabled*) exit 1 ;; esac\n";
        fs::create_dir_all(self.path("run/systemd/system")).unwrap();
        for command in SYSTEMD {
            let program = self.path("usr/bin").join(command);
            fs::write(&program, SCRIPT).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// How systemd's commands were called since the last look.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        text.lines().map(str::to_owned).collect()
    }

    /// Runs dpkg on this root; it has to do well.
    #[track_caller]
    pub(crate) fn dpkg(&self, arguments: &[&str]) -> String {
        let root = self.0.path().display();
        tool("dpkg");
        let mut command = as_root("dpkg");
        command.args([format!("--root={root}"), format!("--log={root}/var/log.dpkg")]);
        // No other package is known here, glibc's neither.
        command.arg("--force-depends").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let output = ended(&mut command);
        assert!(output.status.success(), "{command:?}: {}", words(&output));
        words(&output)
    }

    /// The program as it was installed, not started yet.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = as_root("chroot");
        let path = std::env::var_os("PATH").unwrap();
        command.env_clear().env("PATH", path);
        command.arg(self.0.path()).arg("/usr/bin/axp-exporter").args(arguments);
        command
    }

    /// Runs the program to its end: exit code and all that it said.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output: Output = ended(&mut self.program(arguments));
        (output.status.code().unwrap(), words(&output))
    }

    /// Writes a secret as the packaged configuration says to.
    fn write_secret(&self, name: &str, secret: &str) {
        let path = self.path("etc/axp-exporter").join(name);
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Fills the packaged configuration in for a simulator, given what `simulate` prints, and has it listen on any
    /// port; gives the text.
    pub(crate) fn fill_in(&self, account: &str) -> String {
        let value = |key: &str| {
            let line = account.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
            line.split('"').nth(1).unwrap().to_owned()
        };
        let path = self.path("etc/axp-exporter/config.toml");
        let mut text = fs::read_to_string(&path).unwrap();
        for (key, default) in
            [("api_url", "https://na.api.avayacloud.com"), ("account_id", ""), ("client_id", "")]
        {
            let (from, to) =
                (format!("\n{key} = \"{default}\"\n"), format!("\n{key} = \"{}\"\n", value(key)));
            assert!(text.contains(&from), "{key} in\n{text}");
            text = text.replace(&from, &to);
        }
        text = text.replace("127.0.0.1:9955\"\n", "127.0.0.1:0\"\n");
        fs::write(&path, &text).unwrap();
        self.write_secret("client_secret", &value("client_secret"));
        self.write_secret("app_key", &value("app_key"));
        text
    }

    /// Every path there is, but for dpkg's own books.
    pub(crate) fn paths(&self) -> BTreeSet<PathBuf> {
        let mut paths = BTreeSet::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path().strip_prefix(self.0.path()).unwrap().to_owned();
                if path == Path::new("var/lib/dpkg") || path == Path::new("var/log.dpkg") {
                    continue;
                }
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                paths.insert(path);
            }
        }
        paths
    }
}

/// A program that may do what root may, within this root.
fn as_root(program: &str) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        return Command::new(program);
    }
    let mut command = tool("unshare");
    command.args(["--map-root-user", program]);
    command
}
