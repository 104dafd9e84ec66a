//! The units under a systemd of their own, where the machine lets a test start one: as root, with
//! namespaces and a cgroup. Where it does not, that is said aloud, and nothing is tested.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::{unit, units};
use crate::support::{PATIENCE, Process, exporter, pipe, wait_for};

/// Where the program is, in there.
const PROGRAM: &str = "/opt/axp-exporter";
/// What makes the services quicker than they are.
const DROP_IN: &str = "[Service]\nWatchdogSec=4s\nRestartSec=100ms\n";
const SIMULATOR: &str = "[Service]\nExecStart=/opt/axp-exporter simulate\n\
    StandardOutput=truncate:/run/simulator.toml\nStandardError=journal\n";

/// A machine with nothing but systemd; gone when dropped.
struct Guest {
    machine: Process,
    /// Its first process, as seen from here.
    pid: String,
    _cgroup: Cgroup,
    _folder: tempfile::TempDir,
}

impl Guest {
    /// Boots it, or says why that cannot be.
    fn boot() -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let cgroups = mounts.find(|mount| mount[2] == "cgroup2").ok_or("no cgroup2 is mounted")?;
        let cgroup = Path::new(cgroups[1]).join(format!("axp-exporter-test-{}", std::process::id()));
        fs::create_dir(&cgroup)
            .map_err(|err| format!("no cgroup can be made at {}: {err}", cgroup.display()))?;
        let cgroup = Cgroup(cgroup);
        let boot = units().join("../tests/it/systemd/boot.sh");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(
                "echo $$ >\"$1/cgroup.procs\" && shift && exec unshare --mount --pid --fork --kill-child \
                 --ipc --uts --net --cgroup \"$@\"",
            )
            .args(["sh".as_ref(), cgroup.0.as_os_str(), boot.as_os_str(), folder.path().as_os_str()])
            .arg(exporter::<&str>([]).get_program());
        let machine = Process::start(command);
        let mut guest = Self { machine, pid: String::new(), _cgroup: cgroup, _folder: folder };
        let children = format!("/proc/{0}/task/{0}/children", guest.machine.id());
        wait_for("systemd", PATIENCE, || {
            if guest.machine.ended().is_some() {
                return Ok(Err(guest.machine.stderr()));
            }
            fs::read_to_string(&children).unwrap_or_default().trim().clone_into(&mut guest.pid);
            let name = fs::read_to_string(format!("/proc/{}/comm", guest.pid)).unwrap_or_default();
            if name != "systemd\n" {
                return Err(format!("{name:?} runs"));
            }
            let (is_up, said) = guest.run("systemctl is-active trial.target", "");
            if is_up { Ok(Ok(())) } else { Err(said) }
        })
        .map(|()| guest)
    }

    /// Runs a command in there, with this input; gives whether it succeeded, and what it said.
    fn run(&self, command: &str, input: &str) -> (bool, String) {
        let mut inside = Command::new("nsenter");
        inside.args(["--all", "--root", "--target", &self.pid, "env", "-i", "/bin/sh", "-c", command]);
        let output = pipe(inside, input);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said.trim_end().to_owned())
    }

    /// As [`Self::run`], of a command that has to succeed.
    #[track_caller]
    fn ok(&self, command: &str) -> String {
        let (succeeded, said) = self.run(command, "");
        assert!(succeeded, "{command}: {said}\n{}\n{}", self.log(), self.machine.stderr());
        said
    }

    /// Writes a file.
    #[track_caller]
    fn write(&self, path: &str, text: &str) {
        let command = format!("mkdir -p $(dirname {path}) && cat >{path} && chmod 600 {path}");
        let (written, said) = self.run(&command, text);
        assert!(written, "{path}: {said}");
    }

    /// A property of a unit.
    fn property(&self, unit: &str, name: &str) -> String {
        self.ok(&format!("systemctl show --value --property {name} {unit}"))
    }

    /// What services have logged.
    fn log(&self) -> String {
        self.run("journalctl --no-pager --quiet", "").1
    }

    #[track_caller]
    fn wait_for(&self, unit: &str, property: &str, is_it: impl Fn(&str) -> bool) -> String {
        wait_for(&format!("{property} of {unit}"), PATIENCE, || {
            let found = self.property(unit, property);
            if is_it(&found) { Ok(found) } else { Err(format!("{found}\n{}", self.log())) }
        })
    }
}

/// Our place among the cgroups, with whatever systemd has made in it.
struct Cgroup(PathBuf);

impl Drop for Cgroup {
    fn drop(&mut self) {
        /// The innermost first.
        fn remove(folder: &Path) -> io::Result<()> {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    remove(&entry.path())?;
                }
            }
            fs::remove_dir(folder)
        }
        // Once the last process has left.
        let deadline = Instant::now() + PATIENCE;
        while remove(&self.0).is_err() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The configuration of an exporter in there, with its secrets in files.
fn configuration(simulated: &str, listen: &str) -> String {
    let text: String = simulated
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((secret @ ("client_secret" | "app_key"), _)) => format!("{secret}_file = {secret:?}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    format!("{text}snapshot_quiet = \"200ms\"\n[web]\nlisten = {listen:?}\n")
}

#[test]
fn the_services_do_what_they_promise_under_systemd() {
    let guest = match Guest::boot() {
        Ok(guest) => guest,
        Err(why) => {
            // Past the test harness, which would keep it to itself.
            let _ = writeln!(io::stderr(), "NOT TESTED: no systemd can be started here: {}", why.trim_end());
            return;
        }
    };
    let simulated = guest.install();
    guest.starts_and_restarts();
    guest.runs_another_account(&simulated);
    guest.waits_for_a_secret();
    guest.takes_the_port_of_systemd(&simulated);
    guest.gives_up_on_a_bad_configuration();
}

impl Guest {
    /// Puts the units and their configuration where a package does; gives what the simulator prints.
    fn install(&self) -> String {
        for name in ["axp-exporter.service", "axp-exporter@.service", "axp-exporter.socket"] {
            let text = unit(name).replace("/usr/bin/axp-exporter", PROGRAM);
            self.write(&format!("/etc/systemd/system/{name}"), &text);
            if name != "axp-exporter.socket" {
                self.write(&format!("/etc/systemd/system/{name}.d/trial.conf"), DROP_IN);
            }
        }
        self.write("/etc/systemd/system/simulator.service", SIMULATOR);
        self.ok("systemctl daemon-reload && systemctl start simulator");
        let simulated = wait_for("simulator", PATIENCE, || {
            let printed = self.ok("cat /run/simulator.toml");
            if printed.contains("app_key") { Ok(printed) } else { Err(self.log()) }
        });
        for folder in ["/etc/axp-exporter", "/etc/axp-exporter/lab"] {
            for secret in ["client_secret", "app_key"] {
                let line = simulated.lines().find_map(|line| line.strip_prefix(secret)).unwrap();
                self.write(&format!("{folder}/{secret}"), line.trim_matches([' ', '=', '"']));
            }
        }
        self.configure("config", &configuration(&simulated, "127.0.0.1:9955"));
        simulated
    }

    /// Writes a configuration, which holds no secret.
    fn configure(&self, name: &str, text: &str) {
        self.write(&format!("/etc/axp-exporter/{name}.toml"), text);
        self.ok(&format!("chmod 644 /etc/axp-exporter/{name}.toml"));
    }

    fn metrics(&self, port: u16) -> String {
        self.ok(&format!(
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; printf \"GET /metrics HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3'"
        ))
    }

    fn starts_and_restarts(&self) {
        self.ok("systemctl start axp-exporter");
        assert_eq!(self.property("axp-exporter", "ActiveState"), "active");
        self.wait_for("axp-exporter", "StatusText", |status| {
            status.contains(" feeds up, ") && !status.contains(';') && !status.contains(" 0 series")
        });
        let pid = self.property("axp-exporter", "MainPID");
        let user: u32 = self.ok(&format!("stat -c %u /proc/{pid}")).parse().unwrap();
        assert!((61_184..=65_519).contains(&user), "{user} is a user made for it");
        let process = self.ok(&format!("cat /proc/{pid}/status"));
        for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000"] {
            assert!(process.contains(line), "{line} not in\n{process}");
        }
        self.ok("test -s /var/lib/axp-exporter/subscriptions.json");
        let metrics = self.metrics(9955);
        for name in ["axp_queue_itd_", "process_start_time_seconds ", "process_resident_memory_bytes "] {
            assert!(metrics.contains(&format!("\n{name}")), "{name} not in\n{metrics}");
        }

        self.ok("systemctl reload axp-exporter");
        self.wait_for("axp-exporter", "ActiveState", |state| state == "active");
        assert_eq!(self.property("axp-exporter", "MainPID"), pid);

        self.ok(&format!("kill -STOP {pid}"));
        self.wait_for("axp-exporter", "NRestarts", |restarts| restarts == "1");
        self.wait_for("axp-exporter", "ActiveState", |state| state == "active");
        assert_ne!(self.property("axp-exporter", "MainPID"), pid);
    }

    fn runs_another_account(&self, simulated: &str) {
        self.configure("lab", &configuration(simulated, "127.0.0.1:9957"));
        self.ok("systemctl start axp-exporter@lab");
        self.wait_for("axp-exporter@lab", "StatusText", |status| status.contains(" feeds up, "));
        self.ok("test -s /var/lib/axp-exporter-lab/subscriptions.json");
        assert!(self.metrics(9957).contains("axp_exporter_build_info"));
        assert_eq!(self.property("axp-exporter", "ActiveState"), "active", "the other goes on");
        self.ok("systemctl stop axp-exporter@lab axp-exporter");
        for unit in ["axp-exporter", "axp-exporter@lab"] {
            assert_eq!(self.property(unit, "Result"), "success");
            assert_eq!(self.property(unit, "ExecMainStatus"), "0");
        }
    }

    fn waits_for_a_secret(&self) {
        self.ok("mv /etc/axp-exporter/app_key /etc/axp-exporter/kept");
        assert!(!self.run("systemctl start axp-exporter", "").0);
        assert_eq!(self.property("axp-exporter", "ExecMainStatus"), "243");
        self.ok("mv /etc/axp-exporter/kept /etc/axp-exporter/app_key");
        self.wait_for("axp-exporter", "ActiveState", |state| state == "active");
        self.ok("systemctl stop axp-exporter");
    }

    fn takes_the_port_of_systemd(&self, simulated: &str) {
        self.configure("config", &configuration(simulated, "systemd"));
        self.ok("systemctl start axp-exporter.socket");
        assert_eq!(self.property("axp-exporter", "ActiveState"), "inactive");
        assert!(self.metrics(9955).contains("axp_exporter_build_info"));
        assert_eq!(self.property("axp-exporter", "ActiveState"), "active");
        self.ok("systemctl stop axp-exporter.socket axp-exporter");
    }

    fn gives_up_on_a_bad_configuration(&self) {
        self.configure("config", "[axp]\naccount_id = 7\n");
        let (started, said) = self.run("systemctl start axp-exporter", "");
        assert!(!started, "{said}");
        assert_eq!(self.property("axp-exporter", "ExecMainStatus"), "78");
        assert_eq!(self.property("axp-exporter", "SubState"), "failed", "and not about to be restarted");
        assert!(self.log().contains("account_id"), "{}", self.log());
    }
}
