//! `[[influx]]`: where line protocol goes.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::{self, Scene};
use super::key::Key;
use super::listen::is_host_and_port;
use super::problem::shown;
use super::report::Report;
use super::secret::{SecretSource, SecretText};
use super::units::{Bytes, Duration};
use super::word::{Api, OnDelete, Target};

/// One destination of line protocol. Which keys count depends on `target`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Influx {
    /// What this destination is called in metrics and logs. Required, each once.
    pub name: String,
    /// `http` (default), `file`, `stdout`, `tcp`, `udp` or `unix`. `stdout` at most once.
    pub target: Target,
    /// For `http`: the server, without a path of the API. Default `http://127.0.0.1:8086`. Plain
    /// `http` is accepted on loopback only.
    pub url: String,
    /// For `http`: the write API, `v1`, `v2` (default) or `v3`.
    pub api: Api,
    /// For `v2`, required: the organisation. Default empty.
    pub org: String,
    /// For `v2`, required: the bucket. Default empty.
    pub bucket: String,
    /// For `v1` and `v3`, required: the database. Default empty.
    pub database: String,
    /// For `v1`: the retention policy. Default empty: the database's own.
    pub retention_policy: String,
    /// For `v2` (required) and `v3`: the token, in place. Prefer `token_file`. Default empty.
    pub token: SecretText,
    /// A file with the token, under the rules of a secret's file. Default empty.
    pub token_file: PathBuf,
    /// For `v1`: the user; needs a password. Default empty: no authentication.
    pub username: String,
    /// For `v1`: the user's password, in place. Prefer `password_file`. Default empty.
    pub password: SecretText,
    /// A file with the password, under the rules of a secret's file. Default empty.
    pub password_file: PathBuf,
    /// For `tcp` and `udp`, required: host and port. Default empty.
    pub address: String,
    /// For `file` and `unix`, required: the file to append to, or the socket. Its folder must
    /// exist. Relative to the working directory. Default empty.
    pub path: PathBuf,
    /// For `file`: a new file is begun at this size. 1KiB or more; default 0: never.
    pub rotate_bytes: Bytes,
    /// For `file`: how many full files are kept beside the current one. At most 1000, default 5.
    pub rotate_keep: u32,
    /// For `http`: whether requests are compressed. Default true.
    pub gzip: bool,
    /// For `http`, `file`, `tcp` and `unix`: how long one write may take. 100ms to 10m, default 30s.
    pub timeout: Duration,
    /// Lines are written together up to this size. 1KiB to 64MiB, default 1MiB.
    pub batch_bytes: Bytes,
    /// Lines wait at most this long for a full batch. 10ms to 1h, default 1s.
    pub flush_interval: Duration,
    /// For `http`, `file`, `tcp` and `unix`: the folder where lines wait while the destination is
    /// away, made if need be, for this destination alone. Default empty: in memory only.
    pub spool_dir: PathBuf,
    /// The most that `spool_dir` holds; then the oldest go. 1MiB or more, default 1GiB.
    pub spool_bytes: Bytes,
    /// The longest that lines wait in `spool_dir`. 1s or more, default 24h.
    pub spool_age: Duration,
    /// What a retired row leaves: `none` (default), or `marker`, one last line with
    /// `retired=true`. Line protocol itself has no delete.
    pub on_delete: OnDelete,
}

impl Default for Influx {
    fn default() -> Self {
        Self {
            name: String::new(),
            target: Target::default(),
            url: "http://127.0.0.1:8086".to_owned(),
            api: Api::default(),
            org: String::new(),
            bucket: String::new(),
            database: String::new(),
            retention_policy: String::new(),
            token: SecretText::default(),
            token_file: PathBuf::new(),
            username: String::new(),
            password: SecretText::default(),
            password_file: PathBuf::new(),
            address: String::new(),
            path: PathBuf::new(),
            rotate_bytes: Bytes::new(0),
            rotate_keep: 5,
            gzip: true,
            timeout: Duration::from_secs(30),
            batch_bytes: Bytes::new(1 << 20),
            flush_interval: Duration::from_secs(1),
            spool_dir: PathBuf::new(),
            spool_bytes: Bytes::new(1 << 30),
            spool_age: Duration::from_secs(86_400),
            on_delete: OnDelete::default(),
        }
    }
}

impl Influx {
    fn check(&self, key: &Key, scene: &Scene<'_>, report: &mut Report) {
        if !check::is_line(&self.name) {
            report.text(&key.at("name"), &self.name, "a name such as main");
        }
        let is_token_required = self.target == Target::Http && self.api == Api::V2;
        check::secret(key, "token", (&self.token, &self.token_file), is_token_required, scene, report);
        let is_password_required = self.target == Target::Http && !self.username.is_empty();
        let password = (&self.password, self.password_file.as_path());
        check::secret(key, "password", password, is_password_required, scene, report);
        self.check_target(key, scene, report);
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(600));
        check::span(&key.at("timeout"), self.timeout, least, most, report);
        let (least, most) = (Bytes::new(1 << 10), Bytes::new(64 << 20));
        check::span(&key.at("batch_bytes"), self.batch_bytes, least, most, report);
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(3_600));
        check::span(&key.at("flush_interval"), self.flush_interval, least, most, report);
        check::rotation(key, self.rotate_bytes, self.rotate_keep, report);
        self.check_spool(key, report);
    }

    fn check_spool(&self, key: &Key, report: &mut Report) {
        let is_used = !self.spool_dir.as_os_str().is_empty();
        if is_used && matches!(self.target, Target::Udp | Target::Stdout) {
            let found = shown(&self.spool_dir.to_string_lossy());
            report.value(&key.at("spool_dir"), found, format!("nothing, for target = \"{}\"", self.target));
        }
        let (bytes, age) = (self.spool_bytes, self.spool_age);
        check::span(&key.at("spool_bytes"), bytes, Bytes::new(1 << 20), Bytes::new(1 << 40), report);
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(366 * 86_400));
        check::span(&key.at("spool_age"), age, least, most, report);
    }

    /// The keys that the target cannot do without.
    fn check_target(&self, key: &Key, scene: &Scene<'_>, report: &mut Report) {
        match self.target {
            Target::Http => self.check_http(key, report),
            Target::Tcp | Target::Udp => {
                if !is_host_and_port(&self.address) {
                    report.text(&key.at("address"), &self.address, "host:port such as 127.0.0.1:8094");
                }
            }
            Target::File | Target::Unix if scene.files_needed => {
                let expected = format!("a path, for target = \"{}\"", self.target);
                check::path_to_write(&key.at("path"), &self.path, &expected, report);
            }
            Target::File | Target::Unix | Target::Stdout => {}
        }
    }

    fn check_http(&self, key: &Key, report: &mut Report) {
        check::url(&key.at("url"), &self.url, report);
        let required: &[(&str, &String)] = match self.api {
            Api::V1 | Api::V3 => &[("database", &self.database)],
            Api::V2 => &[("org", &self.org), ("bucket", &self.bucket)],
        };
        for (name, value) in required {
            if !check::is_line(value) {
                report.text(&key.at(name), value, format!("a name, for api = \"{}\"", self.api));
            }
        }
    }

    pub(super) fn token(&self, scene: &Scene<'_>) -> SecretSource {
        SecretSource::new(&self.token, &self.token_file, scene.places)
    }

    pub(super) fn password(&self, scene: &Scene<'_>) -> SecretSource {
        SecretSource::new(&self.password, &self.password_file, scene.places)
    }
}

/// All destinations: each for itself, then that they do not get into each other's way.
pub(super) fn check(sinks: &[Influx], scene: &Scene<'_>, report: &mut Report) {
    let (mut names, mut paths, mut spools) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut has_stdout = false;
    for (index, sink) in sinks.iter().enumerate() {
        let key = Key::of("influx").index(index);
        sink.check(&key, scene, report);
        if !sink.name.is_empty() && names.insert(&sink.name, index).is_some() {
            report.value(&key.at("name"), format!("{} again", shown(&sink.name)), "a name of its own");
        }
        if sink.target == Target::Stdout && std::mem::replace(&mut has_stdout, true) {
            report.value(&key.at("target"), "\"stdout\" again", "stdout at most once");
        }
        let is_file = sink.target == Target::File && !sink.path.as_os_str().is_empty();
        if is_file && paths.insert(&sink.path, index).is_some() {
            let found = format!("{} again", shown(&sink.path.to_string_lossy()));
            report.value(&key.at("path"), found, "a file of its own");
        }
        let has_spool = !sink.spool_dir.as_os_str().is_empty();
        if has_spool && spools.insert(&sink.spool_dir, index).is_some() {
            let found = format!("{} again", shown(&sink.spool_dir.to_string_lossy()));
            report.value(&key.at("spool_dir"), found, "a folder of its own");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use figment::value::Dict;

    use super::*;
    use crate::config::Places;

    /// What is said about a destination's target alone.
    fn problems(sink: &Influx) -> String {
        let mut report = Report::new(Path::new("f"));
        let scene = Scene { places: &Places::default(), account_required: true, files_needed: true };
        sink.check_target(&Key::of("influx.0"), &scene, &mut report);
        report.finish(&Dict::new()).map(|problems| problems.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_target_needs_its_keys() {
        for (target, api, expected) in [
            (
                Target::Http,
                Api::V1,
                "f: influx[0].database: found nothing, expected a name, for api = \"v1\"",
            ),
            (
                Target::Http,
                Api::V2,
                "f: influx[0].org: found nothing, expected a name, for api = \"v2\"\n\
                 f: influx[0].bucket: found nothing, expected a name, for api = \"v2\"",
            ),
            (
                Target::Http,
                Api::V3,
                "f: influx[0].database: found nothing, expected a name, for api = \"v3\"",
            ),
            (
                Target::Tcp,
                Api::V2,
                "f: influx[0].address: found nothing, expected host:port such as 127.0.0.1:8094",
            ),
            (
                Target::Udp,
                Api::V2,
                "f: influx[0].address: found nothing, expected host:port such as 127.0.0.1:8094",
            ),
            (
                Target::Unix,
                Api::V2,
                "f: influx[0].path: found nothing, expected a path, for target = \"unix\"",
            ),
            (Target::Stdout, Api::V2, ""),
        ] {
            let sink = Influx { target, api, ..Influx::default() };
            assert_eq!(problems(&sink), expected);
        }
    }

    #[test]
    fn a_password_goes_to_another_machine_by_https_only() {
        let sink = Influx {
            url: "http://influx.example".to_owned(),
            api: Api::V3,
            database: "axp".to_owned(),
            ..Influx::default()
        };
        assert_eq!(
            problems(&sink),
            "f: influx[0].url: found \"http://influx.example\", \
             expected https; plain http is for loopback only"
        );
    }
}
