//! The shared token with a clock that jumps, and an AXP that answers as it is told.

use std::cell::{Cell, RefCell};

use futures_util::future::join_all;
use reqwest::StatusCode;

use super::*;
use crate::ingest::api::error::{Operation, Refusal};

/// How long AXP takes to answer.
const ROUND_TRIP: Duration = Duration::from_millis(200);

/// A token that is shared, and what is on both sides of it.
struct Bench {
    token: SharedToken,
    secret: RefCell<&'static str>,
    /// What AXP says: the JSON of an answer, or a refusal's status and `Retry-After`.
    says: RefCell<Result<&'static str, (u16, Option<u64>)>>,
    requests: Cell<u32>,
}

impl Bench {
    fn new(says: Result<&'static str, (u16, Option<u64>)>) -> Self {
        Self {
            token: SharedToken::new(7),
            secret: RefCell::new("hush"),
            says: RefCell::new(says),
            requests: Cell::new(0),
        }
    }

    fn read(&self) -> Secrets {
        Secrets {
            client_secret: SecretString::from(*self.secret.borrow()),
            app_key: SecretString::from("key"),
        }
    }

    async fn ask(&self, _: Arc<Secrets>) -> Result<Answer, Error> {
        self.requests.set(self.requests.get() + 1);
        tokio::time::sleep(ROUND_TRIP).await;
        let (status, retry_after) = match *self.says.borrow() {
            Ok(json) => return Ok(serde_json::from_str(json).unwrap()),
            Err(refusal) => refusal,
        };
        let retry_after = retry_after.map(Duration::from_secs);
        let status = StatusCode::from_u16(status).unwrap();
        Err(Error::Refused(Operation::Token, Refusal { status, retry_after, detail: String::new() }))
    }

    /// A token that is good for a while, or how long there will be none.
    async fn get(&self) -> Result<String, Duration> {
        Self::plain(self.token.get(async { Ok(self.read()) }, |secrets| self.ask(secrets)).await)
    }

    async fn fresh(&self) -> Result<String, Duration> {
        Self::plain(self.token.fresh(async { Ok(self.read()) }, |secrets| self.ask(secrets)).await)
    }

    fn plain(got: Result<SecretString, Error>) -> Result<String, Duration> {
        got.map(|token| token.expose_secret().to_owned()).map_err(|err| match err {
            Error::NoToken { wait, .. } => wait,
            err => panic!("{err:?}"),
        })
    }

    fn says(&self, says: Result<&'static str, (u16, Option<u64>)>) {
        *self.says.borrow_mut() = says;
    }
}

const ONE: Result<&str, (u16, Option<u64>)> = Ok(r#"{"access_token":"one","expires_in":100}"#);
const TWO: Result<&str, (u16, Option<u64>)> = Ok(r#"{"access_token":"two","expires_in":100}"#);
const BAD_SECRET: Result<&str, (u16, Option<u64>)> = Err((401, None));
const DOWN: Result<&str, (u16, Option<u64>)> = Err((503, None));

async fn pass(seconds: f64) {
    tokio::time::advance(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_token_is_asked_for_gets_what_that_brings() {
    let bench = Bench::new(ONE);
    assert_eq!(join_all((0..10).map(|_| bench.get())).await, vec![Ok("one".to_owned()); 10]);
    assert_eq!(bench.requests.get(), 1);
    bench.says(TWO);
    assert_eq!(join_all((0..10).map(|_| bench.fresh())).await, vec![Ok("two".to_owned()); 10]);
    assert_eq!(bench.requests.get(), 2);
    assert_eq!(bench.fresh().await.as_deref(), Ok("two"));
    assert_eq!(bench.requests.get(), 3, "one that comes later wants one of its own");

    for bad in [BAD_SECRET, DOWN, Err((429, Some(0)))] {
        let bench = Bench::new(bad);
        assert!(join_all((0..10).map(|_| bench.get())).await.iter().all(Result::is_err), "{bad:?}");
        assert_eq!(bench.requests.get(), 1, "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_feeds_with_a_wrong_secret_ask_once_in_five_minutes() {
    let bench = &Bench::new(BAD_SECRET);
    let started = Instant::now();
    let feed = |number: u32| async move {
        // Each comes at a time of its own, as feeds do whose sessions end.
        tokio::time::sleep(Duration::from_secs(u64::from(number) * 7)).await;
        while started.elapsed() < Duration::from_secs(3600) {
            let asked = if number.is_multiple_of(2) { bench.get().await } else { bench.fresh().await };
            tokio::time::sleep(asked.unwrap_err()).await;
        }
    };
    join_all((0..10).map(feed)).await;
    assert_eq!(bench.requests.get(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_answered_from_memory_until_the_secret_is_another() {
    let bench = Bench::new(BAD_SECRET);
    assert_eq!(bench.get().await, Err(REFUSED_PAUSE));
    pass(200.0).await;
    assert_eq!(bench.get().await, Err(Duration::from_secs(100)), "what is left of the wait");
    assert_eq!(bench.requests.get(), 1);
    *bench.secret.borrow_mut() = "changed";
    bench.says(ONE);
    assert_eq!(bench.get().await.as_deref(), Ok("one"));
    assert_eq!(bench.requests.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_waited_with_another_secret_asks_with_it() {
    let bench = Bench::new(BAD_SECRET);
    let rotate = async {
        tokio::time::sleep(ROUND_TRIP / 2).await;
        *bench.secret.borrow_mut() = "changed";
        bench.get().await
    };
    let (first, second) = tokio::join!(bench.get(), rotate);
    assert!(first.is_err() && second.is_err());
    assert_eq!(bench.requests.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_gets_the_patience_that_it_asks_for_up_to_ten_minutes() {
    for (status, asked, waits) in [(429, 60, 60.0), (503, 60, 60.0), (503, 86_400, 600.0)] {
        let bench = Bench::new(Err((status, Some(asked))));
        assert_eq!(bench.get().await, Err(Duration::from_secs_f64(waits)));
        pass(waits - 1.0).await;
        assert_eq!(bench.fresh().await, Err(Duration::from_secs(1)));
        assert_eq!(bench.requests.get(), 1);
        pass(1.0).await;
        bench.says(ONE);
        assert_eq!(bench.get().await.as_deref(), Ok("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn other_failures_lead_to_a_pause_that_grows_to_a_minute_and_begins_anew() {
    let bench = Bench::new(DOWN);
    let first = bench.get().await.unwrap_err();
    assert!((PAUSE_MIN..=2 * PAUSE_MIN).contains(&first), "{first:?}");
    assert!(bench.get().await.is_err());
    assert_eq!(bench.requests.get(), 1);
    let mut longest = first;
    for _ in 0..40 {
        tokio::time::sleep(bench.get().await.unwrap_err()).await;
        longest = longest.max(bench.get().await.unwrap_err());
    }
    assert!((PAUSE_MAX / 2..=PAUSE_MAX).contains(&longest), "{longest:?}");
    pass(60.0).await;
    bench.says(ONE);
    assert!(bench.get().await.is_ok());
    bench.says(DOWN);
    assert!(bench.fresh().await.unwrap_err() <= 2 * PAUSE_MIN);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_for_four_fifths_of_its_life() {
    let bench = Bench::new(ONE);
    assert_eq!(bench.get().await.as_deref(), Ok("one"));
    bench.says(TWO);
    pass(79.9).await;
    assert_eq!(bench.get().await.as_deref(), Ok("one"));
    pass(0.1).await;
    assert_eq!(bench.get().await.as_deref(), Ok("two"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_replaced_is_used_to_its_end() {
    for bad in [BAD_SECRET, DOWN] {
        let bench = Bench::new(ONE);
        assert_eq!(bench.get().await.as_deref(), Ok("one"));
        bench.says(bad);
        pass(80.0).await;
        for _ in 0..19 {
            assert_eq!(bench.get().await.as_deref(), Ok("one"), "{bad:?}");
            pass(1.0).await;
        }
        assert!(bench.fresh().await.is_err(), "a renewal needs a new one");
        assert!(bench.requests.get() < 15, "it is not asked for at each use: {}", bench.requests.get());
        pass(1.0).await;
        assert!(bench.get().await.is_err(), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_token_that_was_refused_is_forgotten() {
    let bench = Bench::new(ONE);
    assert!(bench.get().await.is_ok());
    let refused_at = Instant::now();
    bench.says(TWO);
    pass(1.0).await;
    bench.token.forget(refused_at).await;
    assert_eq!(bench.get().await.as_deref(), Ok("two"));
    bench.token.forget(refused_at).await;
    assert_eq!(bench.get().await.as_deref(), Ok("two"));
    assert_eq!(bench.requests.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_is_made_by_the_next() {
    let bench = Bench::new(ONE);
    assert!(tokio::time::timeout(ROUND_TRIP / 2, bench.get()).await.is_err());
    assert_eq!(bench.get().await.as_deref(), Ok("one"));
    assert_eq!(bench.requests.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_is_read_again_at_each_use() {
    let bench = Bench::new(ONE);
    let unset = async { Err(Error::Secret("axp.client_secret", crate::config::SecretError::Unset)) };
    let got = bench.token.get(unset, |secrets| bench.ask(secrets)).await;
    assert_eq!(Bench::plain(got), Err(UNREADABLE_PAUSE), "nobody was asked");
    assert_eq!(bench.requests.get(), 0);
    assert_eq!(bench.get().await.as_deref(), Ok("one"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_secrets_that_cannot_be_read_learns_it_with_who_reads_them() {
    let bench = Bench::new(ONE);
    let reads = Cell::new(0);
    let late = || async {
        reads.set(reads.get() + 1);
        pass(5.0).await;
        Err(Error::SecretLate("axp.client_secret"))
    };
    let got = join_all((0..10).map(|_| bench.token.fresh(late(), |secrets| bench.ask(secrets)))).await;
    assert_eq!(reads.get(), 1);
    for got in got {
        assert_eq!(Bench::plain(got), Err(UNREADABLE_PAUSE));
    }
    assert_eq!(bench.get().await.as_deref(), Ok("one"), "who comes later reads them again");
    // A token from before is not what is asked for.
    bench.says(TWO);
    let (unread, waited) =
        tokio::join!(bench.token.fresh(late(), |secrets| bench.ask(secrets)), bench.fresh());
    assert_eq!((Bench::plain(unread), waited), (Err(UNREADABLE_PAUSE), Err(UNREADABLE_PAUSE)));
    assert_eq!(bench.fresh().await.as_deref(), Ok("two"));
}

#[test]
fn a_life_that_is_not_said_or_cannot_be_is_put_right() {
    for (expires_in, life) in [
        ("900", 900.0),
        ("\"900\"", 900.0),
        ("1", 30.0),
        ("1e12", 86_400.0),
        ("0", 300.0),
        ("-5", 300.0),
        ("\"soon\"", 300.0),
        ("null", 300.0),
        ("[]", 300.0),
    ] {
        let json = format!(r#"{{"access_token":"x","expires_in":{expires_in}}}"#);
        let answer: Answer = serde_json::from_str(&json).unwrap();
        assert!((answer.life() - life).abs() < f64::EPSILON, "{expires_in}");
    }
    let answer: Answer = serde_json::from_str(r#"{"access_token":"x"}"#).unwrap();
    assert!((answer.life() - LIFE_DEFAULT).abs() < f64::EPSILON);
}
