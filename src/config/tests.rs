//! The configuration from outside: texts in, trees or one-line problems out.

mod certificates;
mod faults;
mod loading;
mod producers;
mod reference;
mod secrets;
mod senses;
mod sinks;

use std::path::PathBuf;

use tempfile::TempDir;

use super::{Account, Config, Loaded, Problems};

/// The account that most texts need; in front, so that more keys of `[axp]` can follow.
const ACCOUNT: &str = r#"[axp]
account_id = "ABCDEF"
client_id = "client"
client_secret = "canary-client-secret"
app_key = "canary-app-key"
"#;

/// A folder with files of a given mode.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Loads `text` as `config.toml` of this folder.
    fn load(&self, text: &str, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_text(Account::Required, &self.path("config.toml"), text, env)
    }

    /// The problems, one a line, with this folder's path cut out.
    fn problems(&self, text: &str, env: &[(&str, &str)]) -> String {
        let problems = self.load(text, env).expect_err(text).to_string();
        problems.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// The problems of a text without an environment.
fn problems(text: &str) -> String {
    Folder::new().problems(text, &[])
}

/// Each row is a text and the whole of what is said about it.
fn assert_problems(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(problems(&format!("{ACCOUNT}{text}")), *expected, "{text}");
    }
}
