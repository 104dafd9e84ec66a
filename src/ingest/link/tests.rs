//! A link under test: told what happened, step by step, with a clock that jumps.

use super::admission::REFUSALS_MAX;
use super::held::UNRENEWED_MAX;
use super::subscribing::{
    CREATIONS_MAX, CREATIONS_WINDOW, DOUBT_BEFORE_MAX, DOUBT_MAX, DOUBT_MIN, UNUSABLE_MAX,
};
use super::up::{FIRST_EVENT_TIMEOUT, LAST_PING_TIMEOUT};
use super::*;

mod renewal;
mod socket;
mod subscription;

/// What the tests' subscriptions live and how often they want a ping.
const LIFE: Duration = Duration::from_secs(900);
const PING: Duration = Duration::from_secs(30);
/// The longest first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn standing(status: Status) -> Standing {
    Standing { status, life: Some(LIFE), ping_interval: Some(seconds(300)), endpoint_allowed: true }
}

fn living(life: Duration) -> Input {
    Input::Subscription(Standing { life: Some(life), ..standing(Status::Active) })
}

fn stands(status: Status) -> Input {
    Input::Subscription(standing(status))
}

struct Bench {
    link: Link,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::starting(Before::None)
    }

    fn starting(before: Before) -> Self {
        let now = Instant::now();
        Self { link: Link::new(Settings::new(PING), now, 7, before), now }
    }

    /// A link whose subscription is active and whose token is asked for.
    fn subscribed() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.wait(), (Duration::ZERO, Action::Call(Call::Create)));
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
        bench
    }

    fn authenticating() -> Self {
        let mut bench = Self::subscribed();
        bench.go_authenticate();
        bench
    }

    fn up() -> Self {
        Self::up_for(LIFE)
    }

    /// A link that is up and has had an event, with a subscription of this life.
    fn up_for(life: Duration) -> Self {
        let mut bench = Self::new();
        bench.wait();
        bench.tell(living(life), Action::Call(Call::Token));
        bench.go_authenticate();
        bench.begin();
        bench.tell(Input::Event, Action::None);
        bench
    }

    fn go_authenticate(&mut self) {
        self.tell(Input::Token, Action::Connect);
        self.tell(Input::Opened, Action::Authenticate);
    }

    fn begin(&mut self) {
        self.tell(Input::Authentication(Verdict::Confirmed), Action::Begin);
    }

    /// From a look at the subscription to events.
    fn come_back(&mut self) {
        self.tell(stands(Status::Active), Action::Call(Call::Token));
        self.go_authenticate();
        self.begin();
    }

    #[track_caller]
    fn tell(&mut self, input: Input, expected: Action) {
        assert_eq!(self.link.handle(input, self.now), expected, "after {input:?}");
    }

    fn trouble(&mut self, trouble: Trouble, expected: Action) {
        self.tell(Input::Trouble(trouble), expected);
    }

    /// Lets time pass until there is something to do.
    fn wait(&mut self) -> (Duration, Action) {
        let deadline = self.link.deadline().expect("something is to be done some time");
        let waited = deadline.saturating_duration_since(self.now);
        self.now += waited;
        (waited, self.link.handle(Input::Tick, self.now))
    }

    /// The same, but for pings, which are answered.
    fn wait_answering(&mut self) -> (Duration, Action) {
        let start = self.now;
        loop {
            let (_, action) = self.wait();
            if action != Action::Ping {
                return (self.now - start, action);
            }
            self.tell(Input::Pong, Action::None);
        }
    }

    /// Lets time pass while nothing but pings is due, which are answered.
    fn live_on(&mut self, time: Duration) {
        let until = self.now + time;
        while self.link.deadline().is_some_and(|deadline| deadline <= until) {
            assert_eq!(self.wait().1, Action::Ping);
            self.tell(Input::Pong, Action::None);
        }
        self.now = until;
    }

    #[track_caller]
    fn wait_between(&mut self, min: Duration, max: Duration, expected: Action) {
        let (waited, action) = self.wait();
        assert_eq!(action, expected);
        assert!((min..=max).contains(&waited), "waited {waited:?}, not {min:?} to {max:?}");
    }

    #[track_caller]
    fn wait_exactly(&mut self, time: Duration, expected: Action) {
        assert_eq!(self.wait(), (time, expected));
    }
}

#[test]
fn the_way_up() {
    let mut bench = Bench::new();
    bench.wait_exactly(Duration::ZERO, Action::Call(Call::Create));
    assert_eq!(bench.link.deadline(), None, "a call is under way");
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
    bench.tell(Input::Token, Action::Connect);
    bench.tell(Input::Opened, Action::Authenticate);
    assert!(bench.link.is_authenticating() && !bench.link.is_up());
    bench.tell(Input::Event, Action::None);
    bench.begin();
    assert!(bench.link.is_up());
    bench.tell(Input::Event, Action::None);
    bench.tell(Input::SnapshotClosed, Action::None);
    bench.wait_exactly(PING, Action::Ping);
}

#[test]
fn what_is_held_is_looked_at_first() {
    let mut bench = Bench::starting(Before::Held);
    bench.wait_exactly(Duration::ZERO, Action::Call(Call::Get));
    bench.tell(stands(Status::Active), Action::Call(Call::Token));

    let mut bench = Bench::starting(Before::Held);
    bench.wait();
    bench.trouble(Trouble::Gone, Action::Call(Call::Create));
}

#[test]
fn what_an_earlier_run_may_have_left_is_looked_for_once() {
    let lost = || {
        let mut bench = Bench::starting(Before::Lost);
        bench.wait_exactly(Duration::ZERO, Action::Call(Call::Find));
        bench
    };
    lost().tell(stands(Status::Active), Action::Call(Call::Token));
    lost().tell(Input::NotFound, Action::Call(Call::Create));
    lost().trouble(Trouble::Refused, Action::Call(Call::Create));
    // It is not worth a long wait.
    let mut bench = lost();
    let start = bench.now;
    loop {
        bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
        match bench.wait().1 {
            Action::Call(Call::Find) => assert!(bench.now - start < DOUBT_BEFORE_MAX),
            action => break assert_eq!(action, Action::Call(Call::Create)),
        }
    }
    assert!(bench.now - start < 2 * MINUTE);
}

/// A link that makes this call on its way up.
fn calling(call: Call) -> Bench {
    let held = matches!(call, Call::Get | Call::Renew);
    let mut bench = Bench::starting(if held { Before::Held } else { Before::None });
    bench.wait();
    match call {
        Call::Create | Call::Get => {}
        Call::Renew => bench.tell(stands(Status::Inactive), Action::Call(Call::Renew)),
        Call::Token => bench.tell(stands(Status::Active), Action::Call(Call::Token)),
        Call::Find => {
            bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
            bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Find));
        }
    }
    bench
}

/// The call that a link goes on with after trouble at this one.
const fn again(call: Call) -> Call {
    match call {
        Call::Create | Call::Find => Call::Find,
        Call::Get | Call::Renew | Call::Token => Call::Get,
    }
}

const CALLS: [Call; 5] = [Call::Create, Call::Find, Call::Get, Call::Renew, Call::Token];

#[test]
fn refused_credentials_wait_for_minutes() {
    for call in CALLS {
        let mut bench = calling(call);
        for _ in 0..2 {
            bench.trouble(Trouble::NoToken(Some(REFUSED_PAUSE)), Action::Close(Reason::Token));
            let next = if call == Call::Create { Call::Create } else { again(call) };
            bench.wait_exactly(REFUSED_PAUSE, Action::Call(next));
        }
    }
}

#[test]
fn a_token_that_is_not_taken_is_asked_for_anew_once() {
    for call in CALLS {
        let mut bench = calling(call);
        bench.trouble(Trouble::Unauthorized, Action::CallAnew(call));
        bench.trouble(Trouble::Unauthorized, Action::Close(Reason::Subscription));
        bench
            .wait_exactly(REFUSED_PAUSE, Action::Call(if call == Call::Create { call } else { again(call) }));
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    for call in CALLS {
        let cases = [
            (Some(seconds(90)), seconds(90), seconds(90)),
            (Some(seconds(86_400)), RETRY_AFTER_MAX, RETRY_AFTER_MAX),
            (Some(Duration::ZERO), seconds(1), seconds(4)),
            (None, seconds(1), seconds(4)),
        ];
        for (asked, min, max) in cases {
            let mut bench = calling(call);
            bench.trouble(Trouble::Later(asked), Action::Close(Reason::Subscription));
            bench.wait_between(min, max, Action::Call(again(call)));

            let mut bench = calling(call);
            bench.trouble(Trouble::NoToken(asked), Action::Close(Reason::Token));
            bench.wait_between(min, max, Action::Call(if call == Call::Create { call } else { again(call) }));
        }
    }
}

#[test]
fn what_is_unknown_is_tried_again_after_a_pause_that_grows() {
    for call in CALLS {
        let mut bench = calling(call);
        let mut longest = Duration::ZERO;
        for attempt in 0..12 {
            let now = again(if attempt == 0 { call } else { again(call) });
            bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
            let (waited, action) = bench.wait();
            assert_eq!(action, Action::Call(now));
            assert!((seconds(1)..=MINUTE).contains(&waited));
            longest = longest.max(waited);
        }
        assert!(longest > seconds(15), "{longest:?}");
    }
}

#[test]
fn a_refusal_for_good_waits_for_minutes() {
    let mut bench = calling(Call::Create);
    bench.trouble(Trouble::Refused, Action::Close(Reason::Subscription));
    bench.wait_exactly(REFUSED_PAUSE, Action::Call(Call::Create));

    // Nothing to be found where looking is not allowed, or not known.
    for trouble in [Trouble::Refused, Trouble::Gone] {
        calling(Call::Find).trouble(trouble, Action::Call(Call::Create));
    }
}

#[test]
fn nothing_happens_when_it_is_off() {
    let now = Instant::now();
    let mut link = Link::off(Settings::new(PING), now);
    for input in INPUTS {
        assert_eq!(link.handle(input, now + MINUTE), Action::None);
        assert_eq!(link.deadline(), None);
    }
    assert!(!link.is_up() && !link.is_authenticating());
}

/// All that may come too late, or too early.
const INPUTS: [Input; 11] = [
    Input::Tick,
    Input::Token,
    Input::NotFound,
    Input::Trouble(Trouble::Unknown),
    Input::Opened,
    Input::Authentication(Verdict::Confirmed),
    Input::Event,
    Input::Pong,
    Input::Broken(Reason::Closed),
    Input::SnapshotClosed,
    Input::Subscription(Standing {
        status: Status::Active,
        life: None,
        ping_interval: None,
        endpoint_allowed: true,
    }),
];

#[test]
fn what_comes_too_late_does_nothing() {
    let paused = || {
        let mut bench = Bench::up();
        bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
        bench
    };
    for input in INPUTS {
        let mut bench = paused();
        bench.tell(input, Action::None);
        bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Get));
    }
    for input in [Input::Token, Input::NotFound, Input::Opened, Input::Tick, Input::Broken(Reason::Closed)] {
        let mut bench = calling(Call::Get);
        bench.tell(input, Action::None);
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
    }
    for input in [stands(Status::Inactive), Input::Trouble(Trouble::Gone), Input::Token, Input::NotFound] {
        let mut bench = Bench::up();
        bench.tell(input, Action::None);
        bench.wait_exactly(PING, Action::Ping);
        let mut bench = Bench::authenticating();
        bench.tell(input, Action::None);
        bench.begin();
    }
}
