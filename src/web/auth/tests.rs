//! Credentials, without sockets. Hashes are of the least cost.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;

use super::*;
use crate::web::config::Draft;

/// Alice with this password, and Bob.
fn users(password: &str) -> Users {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
    let text = format!("basic_auth_users: {{alice: {}, bob: {}}}", hash(password), hash("bob's own"));
    std::fs::write(&file, text).unwrap();
    Draft::read(Path::new(&file)).and_then(Draft::build).unwrap().users
}

fn headers(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
}

fn basic(name: &str, password: &str) -> HeaderMap {
    headers(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
}

fn remembered(auth: &Auth) -> usize {
    auth.proofs.lock().unwrap().len()
}

#[tokio::test]
async fn only_a_known_name_with_its_password_is_welcome() {
    let (auth, users) = (Auth::default(), users("open: sesame"));
    for round in ["cold", "warm"] {
        assert_eq!(auth.judge(&users, &basic("alice", "open: sesame")).await, Verdict::Welcome, "{round}");
        for (name, password) in [
            ("alice", "open"),
            ("alice", ""),
            ("alice", "bob's own"),
            ("Alice", "open: sesame"),
            ("bob", "open: sesame"),
            ("", ""),
            // Whichever hash stands in for an unknown name, its password opens nothing.
            ("mallory", "open: sesame"),
            ("mallory", "bob's own"),
        ] {
            let verdict = auth.judge(&users, &basic(name, password)).await;
            assert_eq!(verdict, Verdict::Refused, "{round}: {name} {password}");
        }
        assert_eq!(remembered(&auth), 1, "what was right, and nothing else");
    }
    assert_eq!(auth.judge(&Users::default(), &HeaderMap::new()).await, Verdict::Welcome, "nobody is asked");
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_none() {
    let (auth, users) = (Auth::default(), users("a"));
    let good = STANDARD.encode("alice:a");
    for value in
        ["", "Basic", "Basic ", "Basic !", "Bearer x", &good, &format!("Basic{good}"), "Basic YWxpY2U="]
    {
        assert_eq!(auth.judge(&users, &headers(value)).await, Verdict::Refused, "{value}");
    }
    assert_eq!(auth.judge(&users, &HeaderMap::new()).await, Verdict::Refused);
    for value in [format!("basic {good}"), format!("BASIC   {good}")] {
        assert_eq!(auth.judge(&users, &headers(&value)).await, Verdict::Welcome, "{value}");
    }
}

#[tokio::test]
async fn nothing_can_be_smuggled_into_what_is_remembered() {
    let (auth, users) = (Auth::default(), users("right"));
    let hash = users.hash(b"alice").unwrap().clone();
    let hash = hash.expose_secret();
    // What filled the toolkit's cache: a name with the hash in it, then that hash in the password.
    let number = auth.number(format!("alice{hash}").as_bytes());
    let stand_in = users.any_hash(number).unwrap().clone();
    let stand_in = stand_in.expose_secret();
    auth.judge(&users, &basic(&format!("alice{hash}"), "right")).await;
    assert_eq!(auth.judge(&users, &basic("alice", &format!("{stand_in}right"))).await, Verdict::Refused);
    assert_eq!(remembered(&auth), 0);
    // However the same bytes are cut into name, hash and password, it is another proof.
    let bytes = format!("alice{hash}right");
    let mut proofs = BTreeSet::new();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]].map(str::as_bytes);
            assert!(proofs.insert(auth.mac(&parts)), "{first} {second}");
        }
    }
    assert!(!proofs.contains(&Auth::default().proof(b"alice", &hash.into(), b"right")), "a key of its own");
}

#[tokio::test]
async fn a_password_that_was_changed_is_not_remembered() {
    let auth = Auth::default();
    assert_eq!(auth.judge(&users("old"), &basic("alice", "old")).await, Verdict::Welcome);
    assert_eq!(auth.judge(&users("new"), &basic("alice", "old")).await, Verdict::Refused);
}

#[test]
fn what_is_remembered_is_bounded() {
    let auth = Auth::default();
    for number in 0..10 * PROOFS_MAX {
        remember(&auth.proofs, auth.mac(&[&number.to_be_bytes()]));
        assert!((1..=PROOFS_MAX).contains(&remembered(&auth)));
    }
}

#[tokio::test]
async fn an_unknown_name_is_held_against_the_same_hash_each_time_and_names_share_them_out() {
    let (auth, users) = (Auth::default(), users("a"));
    let stand_in =
        |name: &str| users.any_hash(auth.number(name.as_bytes())).unwrap().expose_secret().to_owned();
    assert_eq!(stand_in("mallory"), stand_in("mallory"));
    let all: BTreeSet<String> = (0..64).map(|number| stand_in(&number.to_string())).collect();
    assert_eq!(all.len(), 2, "both users' hashes");
}

#[tokio::test]
async fn one_hash_is_computed_at_a_time_few_wait_and_known_scrapers_pass_by() {
    let (auth, users) = (Arc::new(Auth::default()), Arc::new(users("a")));
    assert_eq!(auth.judge(&users, &basic("alice", "a")).await, Verdict::Welcome);
    let turn = Arc::clone(&auth.turn).acquire_owned().await.unwrap();
    assert_eq!(auth.turn.available_permits(), 0, "the only one");
    let waiting: Vec<_> = (0..WAITING_MAX)
        .map(|number| {
            let (auth, users) = (Arc::clone(&auth), Arc::clone(&users));
            tokio::spawn(async move { auth.judge(&users, &basic("bob", &number.to_string())).await })
        })
        .collect();
    while auth.line.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(auth.judge(&users, &basic("bob", "bob's own")).await, Verdict::Busy);
    assert_eq!(auth.judge(&users, &basic("alice", "a")).await, Verdict::Welcome);
    // A client that leaves makes room.
    waiting[0].abort();
    while auth.line.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    drop(turn);
    for waiting in waiting.into_iter().skip(1) {
        assert_eq!(waiting.await.unwrap(), Verdict::Refused);
    }
    assert_eq!(auth.judge(&users, &basic("bob", "bob's own")).await, Verdict::Welcome);
}

#[tokio::test]
async fn what_a_hash_came_to_is_remembered_though_its_client_has_left() {
    let (auth, users) = (Auth::default(), users("a"));
    let left = tokio::time::timeout(Duration::ZERO, auth.judge(&users, &basic("alice", "a"))).await;
    assert!(left.is_err());
    let deadline = Instant::now() + Duration::from_secs(20);
    while remembered(&auth) == 0 {
        assert!(Instant::now() < deadline, "it comes again, and is still unknown");
        tokio::task::yield_now().await;
    }
    assert_eq!(auth.judge(&users, &basic("alice", "a")).await, Verdict::Welcome);
}
