//! The session driven by hand, with a clock that jumps.

use super::*;

const PING: Duration = Duration::from_secs(30);
const CONFIRMED: Input<'_> =
    Input::Text(r#"{"event":"authenticationResponse","status":"CONNECTION_CONFIRMED"}"#);

struct Driver {
    session: Session,
    now: Instant,
}

impl Driver {
    fn new() -> Self {
        let now = Instant::now();
        Self { session: Session::new(Settings::new(PING), now, 1), now }
    }

    fn up() -> Self {
        let mut driver = Self::new();
        assert_eq!(driver.handle(Input::Tick), Action::Subscribe);
        assert_eq!(driver.handle(Input::Subscribed(Some(Duration::from_secs(900)))), Action::Connect);
        assert_eq!(driver.handle(Input::Opened), Action::Authenticate);
        assert_eq!(driver.handle(CONFIRMED), Action::Begin);
        driver
    }

    fn handle(&mut self, input: Input<'_>) -> Action {
        self.session.handle(input, self.now)
    }

    /// Goes to the deadline and ticks.
    fn wait(&mut self) -> Action {
        self.now = self.session.deadline().unwrap().max(self.now);
        self.handle(Input::Tick)
    }
}

#[test]
fn the_way_up_is_token_subscription_socket_authentication_events() {
    let mut driver = Driver::up();
    assert!(driver.session.is_up());
    assert_eq!(driver.handle(Input::Text("{}")), Action::Apply);
    assert_eq!(driver.handle(Input::Binary), Action::RefuseBinary);
}

#[test]
fn both_spellings_of_the_answer_are_understood() {
    for (text, action) in [
        (r#"{"event":"AUTHENTICATION_RESPONSE","status":"CONNECTION_CONFIRMED"}"#, Action::Begin),
        (r#"{"status":"connection_confirmed","event":"authentication_response"}"#, Action::Begin),
        (
            r#"{"event":"AUTHENTICATION_RESPONSE","status":"CONNECTION_FAILED_UNKNOWN_SUBSCRIPTION"}"#,
            Action::Close(Reason::Authentication),
        ),
        (r#"{"event":"authenticationResponse"}"#, Action::Close(Reason::Authentication)),
        (r#"{"keys":{}}"#, Action::None),
        ("ping", Action::None),
    ] {
        let mut driver = Driver::new();
        driver.handle(Input::Tick);
        driver.handle(Input::Subscribed(None));
        driver.handle(Input::Opened);
        assert_eq!(driver.handle(Input::Text(text)), action, "{text}");
    }
}

#[test]
fn an_authentication_without_answer_fails() {
    let mut driver = Driver::new();
    driver.handle(Input::Tick);
    driver.handle(Input::Subscribed(None));
    driver.handle(Input::Opened);
    assert_eq!(driver.wait(), Action::Close(Reason::Authentication));
}

#[test]
fn two_unanswered_pings_are_a_dead_link() {
    let mut driver = Driver::up();
    driver.handle(Input::Text("{}"));
    let start = driver.now;
    assert_eq!(driver.wait(), Action::Ping);
    assert_eq!(driver.wait(), Action::Ping);
    assert_eq!(driver.wait(), Action::Close(Reason::Ping));
    assert_eq!(driver.now - start, PING * 2 + LAST_PING_TIMEOUT);

    let mut driver = Driver::up();
    driver.handle(Input::Text("{}"));
    for _ in 0..10 {
        assert_eq!(driver.wait(), Action::Ping);
        assert_eq!(driver.handle(Input::Pong), Action::None);
    }
}

#[test]
fn a_session_without_any_event_is_broken_and_the_second_in_a_row_has_no_rows() {
    let mut driver = Driver::up();
    let mut until = |wanted: Action| loop {
        let next = match driver.wait() {
            Action::Ping => driver.handle(Input::Pong),
            Action::Renew => driver.handle(Input::Renewed(None)),
            Action::Subscribe => driver.handle(Input::Subscribed(None)),
            found if found == wanted => break,
            other => panic!("{other:?}"),
        };
        if next == Action::Connect {
            assert_eq!(driver.handle(Input::Opened), Action::Authenticate);
            assert_eq!(driver.handle(CONFIRMED), Action::Begin);
        }
    };
    until(Action::Close(Reason::Silent));
    until(Action::AcceptEmpty);
    assert!(driver.session.is_up());
}

#[test]
fn no_life_is_too_long() {
    let mut driver = Driver::new();
    driver.handle(Input::Tick);
    assert_eq!(driver.handle(Input::Subscribed(Some(Duration::MAX))), Action::Connect);
}

#[test]
fn a_subscription_is_renewed_at_half_its_life() {
    let mut driver = Driver::up();
    driver.handle(Input::Text("{}"));
    let start = driver.now;
    loop {
        match driver.wait() {
            Action::Ping => driver.handle(Input::Pong),
            Action::Renew => break,
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(driver.now - start, Duration::from_secs(450));
    assert_eq!(driver.handle(Input::Tick), Action::None, "one renewal at a time");
    driver.handle(Input::Renewed(Some(Some(Duration::from_secs(20)))));
    while driver.wait() != Action::Renew {
        driver.handle(Input::Pong);
    }
    assert_eq!(driver.now - start, Duration::from_secs(460));
}

#[test]
fn pauses_grow_with_jitter_until_a_snapshot_was_complete() {
    let mut driver = Driver::new();
    let mut bound = 2;
    for _ in 0..12 {
        assert_eq!(driver.wait(), Action::Subscribe);
        assert_eq!(driver.handle(Input::Failed(Reason::Token)), Action::Close(Reason::Token));
        let pause = driver.session.deadline().unwrap() - driver.now;
        assert!(
            pause >= Duration::from_secs(1) && pause <= Duration::from_secs(bound),
            "{pause:?} > {bound}"
        );
        bound = (bound * 2).min(60);
    }
    driver.wait();
    driver.handle(Input::Subscribed(None));
    driver.handle(Input::Opened);
    driver.handle(CONFIRMED);
    driver.handle(Input::Text("{}"));
    assert!(driver.session.pauses.failures() > 0, "accepting us alone is no success");
    driver.handle(Input::SnapshotClosed);
    driver.handle(Input::Failed(Reason::Closed));
    assert!(driver.session.deadline().unwrap() - driver.now <= Duration::from_secs(2));
}

#[test]
fn what_comes_late_does_nothing() {
    let mut driver = Driver::up();
    assert_eq!(driver.handle(Input::Failed(Reason::Closed)), Action::Close(Reason::Closed));
    for input in
        [Input::Failed(Reason::Closed), Input::Opened, Input::Text("{}"), Input::Pong, Input::Renewed(None)]
    {
        assert_eq!(driver.handle(input), Action::None);
    }
}
