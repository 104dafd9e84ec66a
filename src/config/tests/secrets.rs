//! Secrets: where they are found, which files are refused, and that they show up nowhere.

use secrecy::ExposeSecret;

use super::super::{SecretError, SecretSource};
use super::*;

/// What is said of a file that does not serve.
const EXPECTED: &str = "expected a file with the secret that its owner alone may open (mode 0600)";

fn client_secret(loaded: &Loaded) -> String {
    loaded.secrets.client_secret.read().unwrap().expose_secret().to_owned()
}

/// An account whose client's secret stands in a file.
fn with_file(name: &str) -> String {
    ACCOUNT.replace("client_secret = \"canary-client-secret\"", &format!("client_secret_file = \"{name}\""))
}

#[test]
fn a_secret_is_read_from_its_file_anew_each_time() {
    let folder = Folder::new();
    folder.write("secret", "first\r\n", 0o600);
    let loaded = folder.load(&with_file("secret"), &[]).unwrap();
    assert_eq!(client_secret(&loaded), "first");
    folder.write("secret", " second \n\n", 0o400);
    assert_eq!(client_secret(&loaded), " second ");
    std::fs::remove_file(folder.path("secret")).unwrap();
    let error = loaded.secrets.client_secret.read().unwrap_err();
    assert_eq!(error.to_string(), "read the secret in secret: no such file");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_credentials_directory_comes_before_the_folder_of_the_file() {
    let (folder, credentials) = (Folder::new(), Folder::new());
    folder.write("secret", "beside", 0o600);
    let env = [("CREDENTIALS_DIRECTORY", credentials.0.path().to_str().unwrap())];
    let loaded = folder.load(&with_file("secret"), &env).unwrap();
    assert_eq!(client_secret(&loaded), "beside");
    credentials.write("secret", "credential", 0o444);
    assert_eq!(client_secret(&loaded), "credential");
}

#[test]
fn only_files_in_the_credentials_directory_may_be_open_to_others() {
    let (folder, credentials) = (Folder::new(), Folder::new());
    let inside = credentials.write("inside", "x", 0o444);
    let outside = folder.write("outside", "x", 0o640);
    std::os::unix::fs::symlink(&outside, credentials.path("link")).unwrap();
    let env = [("CREDENTIALS_DIRECTORY", credentials.0.path().to_str().unwrap())];
    assert!(folder.load(&with_file(inside.to_str().unwrap()), &env).is_ok());
    assert!(folder.load(&with_file("link"), &env).is_err());
}

#[test]
fn files_that_do_not_serve_are_refused() {
    let folder = Folder::new();
    folder.write("group", "canary", 0o640);
    folder.write("others", "canary", 0o604);
    folder.write("empty", "\n", 0o600);
    folder.write("long", vec![b'c'; 64 * 1024 + 1], 0o600);
    folder.write("binary", [b'c', 0xff], 0o600);
    for (name, found) in [
        ("none", "\"none\", no such file"),
        ("group", "\"group\", open to others, mode 0640"),
        ("others", "\"others\", open to others, mode 0604"),
        ("empty", "\"empty\", empty"),
        ("long", "\"long\", longer than 64 KiB"),
        ("binary", "\"binary\", not UTF-8 text"),
        ("/dev/null", "\"/dev/null\", not a regular file"),
    ] {
        let expected = format!("config.toml: axp.client_secret_file: found {found}, {EXPECTED}");
        assert_eq!(folder.problems(&with_file(name), &[]), expected);
    }
    folder.write("full", vec![b'c'; 64 * 1024], 0o600);
    assert!(folder.load(&with_file("full"), &[]).is_ok());
}

#[test]
fn a_secret_and_its_file_together_are_refused() {
    let folder = Folder::new();
    folder.write("secret", "x", 0o600);
    let text = format!("{ACCOUNT}app_key_file = \"secret\"");
    assert_eq!(
        folder.problems(&text, &[]),
        "config.toml: axp.app_key_file: found app_key beside it, expected one of the two"
    );
}

#[test]
fn hashing_needs_its_key() {
    let folder = Folder::new();
    folder.write("key", "0123456789abcdef0123456789abcdef", 0o600);
    folder.write("open", "x", 0o644);
    let text = |file: &str| format!("{ACCOUNT}[privacy]\npersonal = \"hash\"\nhash_key_file = \"{file}\"");
    assert!(folder.load(&text("key"), &[]).unwrap().secrets.hash_key.is_set());
    for (file, expected) in [
        ("", "found nothing, expected a file with the key for personal = \"hash\"".to_owned()),
        ("none", format!("found \"none\", no such file, {EXPECTED}")),
        ("open", format!("found \"open\", open to others, mode 0644, {EXPECTED}")),
    ] {
        let expected = format!("config.toml: privacy.hash_key_file: {expected}");
        assert_eq!(folder.problems(&text(file), &[]), expected);
    }
}

#[test]
fn the_secrets_of_influx_are_checked_too() {
    let folder = Folder::new();
    folder.write("open", "x", 0o644);
    let text = format!(
        "{ACCOUNT}[[influx]]\nname = \"a\"\ntarget = \"stdout\"\ntoken_file = \"open\"\npassword = \"canary\"\npassword_file = \"none\""
    );
    let expected = format!(
        "config.toml: influx \"a\" token_file: found \"open\", open to others, mode 0644, {EXPECTED}\n\
         config.toml: influx \"a\" password_file: found password beside it, expected one of the two\n\
         config.toml: influx \"a\" password_file: found \"none\", no such file, {EXPECTED}"
    );
    assert_eq!(folder.problems(&text, &[]), expected);
}

#[test]
fn no_secret_shows_in_what_is_printed() {
    let text = format!(
        "{ACCOUNT}[[influx]]\nname = \"a\"\ntarget = \"stdout\"\ntoken = \"canary-token\"\npassword = \"canary-password\""
    );
    let loaded = Folder::new().load(&text, &[]).unwrap();
    let printed = format!("{loaded:?} {loaded:#?} {}", serde_json::to_string(&loaded.config).unwrap());
    assert!(!printed.contains("canary"), "{printed}");
    assert_eq!(client_secret(&loaded), "canary-client-secret");
    assert_eq!(loaded.secrets.influx[0].token.read().unwrap().expose_secret(), "canary-token");
}

#[test]
fn no_problem_shows_what_stands_under_a_secrets_key() {
    let folder = Folder::new();
    for (text, expected) in [
        (
            "[axp]\nclient_secret = 4711",
            "config.toml: axp.client_secret: found a number (not shown), expected text in quotes",
        ),
        (
            "[axp]\napp_key = [\"canary\"]",
            "config.toml: axp.app_key: found a list (not shown), expected text in quotes",
        ),
        (
            "[[influx]]\ntoken = true",
            "config.toml: influx[0].token: found true or false (not shown), expected text in quotes",
        ),
        (
            "[[influx]]\npassword = { x = \"canary\" }",
            "config.toml: influx[0].password: found a table (not shown), expected text in quotes",
        ),
        (
            "[axp]\nclient_secrett = \"canary\"",
            "config.toml: axp.client_secrett: unknown key; did you mean client_secret?",
        ),
    ] {
        let problems = folder.problems(text, &[]);
        assert_eq!(problems.lines().next(), Some(expected));
        assert!(!problems.contains("canary") && !problems.contains("4711"), "{problems}");
    }
}

#[test]
fn a_secret_that_could_not_be_read_is_not_missing_too() {
    let text = ACCOUNT.replace("\"canary-client-secret\"", "4711");
    let expected = "config.toml: axp.client_secret: found a number (not shown), expected text in quotes";
    assert_eq!(problems(&text), expected);
}

#[test]
fn a_secret_that_is_not_configured_cannot_be_read() {
    assert!(matches!(SecretSource::Unset.read(), Err(SecretError::Unset)));
}

#[test]
fn no_syntax_error_shows_a_secret() {
    for line in [
        "client_secret = canary",
        "client_secret = \"canary",
        "client_secret = \"canary\" canary",
        "client_secret = \"\\canary\"",
        "client_secret \"canary\"",
        "client_secret = \"canary\"\nclient_secret = \"canary\"",
    ] {
        let problems = problems(&format!("[axp]\n{line}\n"));
        assert!(!problems.contains("canary") && problems.lines().count() == 1, "{problems}");
    }
}
