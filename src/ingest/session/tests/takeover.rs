//! One link takes over from the other.

use std::time::Duration;

use super::*;
use crate::ingest::link::{Before, Call, Standing, Status, Trouble};

const ACTIVE: Input = Input::Subscription(Standing {
    status: Status::Active,
    life: Some(Duration::from_secs(900)),
    ping_interval: None,
    endpoint_allowed: true,
});
const CLOSED: Input = Input::Broken(Reason::Closed);

struct Bench {
    session: Session,
    start: Instant,
    now: Instant,
}

impl Bench {
    /// A session whose link A is up.
    fn up() -> Self {
        let now = Instant::now();
        let settings = Settings::new(Duration::from_secs(30));
        let mut bench = Self { session: Session::new(settings, now, 3, Before::None), start: now, now };
        bench.bring_up(Slot::A);
        bench.tell(Slot::A, Input::SnapshotClosed, Action::None);
        bench
    }

    /// A session whose link A has lost its subscription; B begins.
    fn taking_over() -> Self {
        let mut bench = Self::up();
        while bench.wait() != (Slot::A, Action::Call(Call::Renew)) {
            bench.tell(Slot::A, Input::Pong, Action::None);
        }
        bench.tell(Slot::A, Input::Trouble(Trouble::Gone), Action::None);
        assert!(bench.session.is_up());
        bench
    }

    #[track_caller]
    fn tell(&mut self, slot: Slot, input: Input, expected: Action) {
        assert_eq!(self.session.handle(slot, input, self.now), (slot, expected), "after {input:?}");
    }

    fn wait(&mut self) -> (Slot, Action) {
        let (deadline, slot) = self.session.deadline().expect("something is to be done some time");
        self.now = self.now.max(deadline);
        self.session.handle(slot, Input::Tick, self.now)
    }

    /// Lets time pass until this link makes a call; the other one's pings are answered.
    fn wait_for_call(&mut self, slot: Slot) -> Call {
        loop {
            match self.wait() {
                (called, Action::Call(call)) if called == slot => return call,
                (pinged, Action::Ping) => self.tell(pinged, Input::Pong, Action::None),
                other => panic!("{other:?} while waiting for a call"),
            }
        }
    }

    #[track_caller]
    fn bring_up(&mut self, slot: Slot) {
        assert!(matches!(self.wait_for_call(slot), Call::Create | Call::Get));
        self.tell(slot, ACTIVE, Action::Call(Call::Token));
        self.tell(slot, Input::Token, Action::Connect);
        self.tell(slot, Input::Opened, Action::Authenticate);
        self.tell(slot, Input::Authentication(Verdict::Confirmed), Action::Begin);
        self.tell(slot, Input::Event, Action::None);
    }
}

#[test]
fn the_old_link_goes_once_the_new_ones_snapshot_is_complete() {
    let mut bench = Bench::taking_over();
    bench.bring_up(Slot::B);
    assert!(bench.session.link(Slot::A).is_up());
    // The old one's word about a snapshot says nothing about the new one's.
    bench.tell(Slot::A, Input::SnapshotClosed, Action::None);
    assert!(bench.session.link(Slot::A).is_up());
    let taken_over = bench.session.handle(Slot::B, Input::SnapshotClosed, bench.now);
    assert_eq!(taken_over, (Slot::A, Action::Abandon(Reason::Replaced)));
    assert!(!bench.session.link(Slot::A).is_up() && bench.session.is_up());
    bench.tell(Slot::A, CLOSED, Action::None);
    // And back again.
    assert_eq!(bench.wait_for_call(Slot::B), Call::Renew);
    bench.tell(Slot::B, Input::Trouble(Trouble::Gone), Action::None);
    bench.bring_up(Slot::A);
    let taken_over = bench.session.handle(Slot::A, Input::SnapshotClosed, bench.now);
    assert_eq!(taken_over, (Slot::B, Action::Abandon(Reason::Replaced)));
}

#[test]
fn where_the_old_link_breaks_the_new_one_goes_on_alone() {
    let mut bench = Bench::taking_over();
    bench.tell(Slot::A, CLOSED, Action::Abandon(Reason::Closed));
    assert!(!bench.session.is_up());
    bench.bring_up(Slot::B);
    bench.tell(Slot::B, Input::SnapshotClosed, Action::None);
    bench.tell(Slot::B, CLOSED, Action::Close(Reason::Closed));
    bench.bring_up(Slot::B);

    // Also in the middle of the new one's snapshot.
    let mut bench = Bench::taking_over();
    bench.bring_up(Slot::B);
    bench.tell(Slot::A, CLOSED, Action::Abandon(Reason::Closed));
    assert!(bench.session.is_up());
    bench.tell(Slot::B, Input::SnapshotClosed, Action::None);
}

#[test]
fn where_the_new_link_fails_the_old_one_goes_on_until_it_is_there() {
    let mut bench = Bench::taking_over();
    for _ in 0..3 {
        bench.bring_up(Slot::B);
        bench.tell(Slot::B, CLOSED, Action::Close(Reason::Closed));
        // Too late: that session is over.
        bench.tell(Slot::B, Input::SnapshotClosed, Action::None);
        assert!(bench.session.link(Slot::A).is_up());
    }
    bench.bring_up(Slot::B);
    let taken_over = bench.session.handle(Slot::B, Input::SnapshotClosed, bench.now);
    assert_eq!(taken_over, (Slot::A, Action::Abandon(Reason::Replaced)));
}

#[test]
fn where_the_new_link_loses_its_subscription_too_the_old_one_stays() {
    let mut bench = Bench::taking_over();
    bench.bring_up(Slot::B);
    assert_eq!(bench.wait_for_call(Slot::B), Call::Renew);
    bench.tell(Slot::B, Input::Trouble(Trouble::Gone), Action::Abandon(Reason::Subscription));
    assert!(bench.session.link(Slot::A).is_up() && !bench.session.link(Slot::B).is_up());
    bench.bring_up(Slot::B);
    let taken_over = bench.session.handle(Slot::B, Input::SnapshotClosed, bench.now);
    assert_eq!(taken_over, (Slot::A, Action::Abandon(Reason::Replaced)));
}

#[test]
fn where_the_old_link_breaks_its_place_is_taken_soon() {
    let mut bench = Bench::taking_over();
    // The account is at its limit, and the old link's subscription is one of those.
    let mut waits = 0;
    while bench.now < bench.start + Duration::from_secs(1000) {
        assert_eq!(bench.wait_for_call(Slot::B), Call::Create);
        bench.tell(Slot::B, Input::Trouble(Trouble::Conflict), Action::Call(Call::Find));
        bench.tell(Slot::B, Input::NotFound, Action::Close(Reason::Subscription));
        waits += 1;
    }
    assert!((3..6).contains(&waits), "{waits}");
    bench.tell(Slot::A, CLOSED, Action::Abandon(Reason::Closed));
    let closed_at = bench.now;
    assert_eq!(bench.wait_for_call(Slot::B), Call::Create);
    assert!(bench.now - closed_at <= Duration::from_secs(60), "{:?}", bench.now - closed_at);
}

#[test]
fn after_a_sleep_of_the_machine_one_link_begins_anew() {
    let mut bench = Bench::taking_over();
    bench.bring_up(Slot::B);
    bench.tell(Slot::A, Input::Woke, Action::Abandon(Reason::Suspended));
    bench.tell(Slot::B, Input::Woke, Action::Close(Reason::Suspended));
    bench.bring_up(Slot::B);
    assert_eq!(bench.session.deadline().map(|(_, slot)| slot), Some(Slot::B));
}

#[test]
fn taking_over_again_and_again_waits() {
    let mut bench = Bench::up();
    let start = bench.now;
    let mut slot = Slot::A;
    for _ in 0..12 {
        // Each lives for a moment only.
        let life = Duration::from_secs(10);
        assert_eq!(bench.wait_for_call(slot), Call::Renew);
        bench.tell(slot, Input::Trouble(Trouble::Gone), Action::None);
        let next = slot.other();
        loop {
            match bench.wait() {
                (called, Action::Call(Call::Create)) if called == next => break,
                (pinged, Action::Ping) => bench.tell(pinged, Input::Pong, Action::None),
                (waiting, Action::None) => assert_eq!(waiting, next),
                other => panic!("{other:?}"),
            }
        }
        let Input::Subscription(standing) = ACTIVE else { unreachable!() };
        let short = Input::Subscription(Standing { life: Some(life), ..standing });
        bench.tell(next, short, Action::Call(Call::Token));
        bench.tell(next, Input::Token, Action::Connect);
        bench.tell(next, Input::Opened, Action::Authenticate);
        bench.tell(next, Input::Authentication(Verdict::Confirmed), Action::Begin);
        bench.tell(next, Input::Event, Action::None);
        let taken_over = bench.session.handle(next, Input::SnapshotClosed, bench.now);
        assert_eq!(taken_over, (slot, Action::Abandon(Reason::Replaced)));
        slot = next;
    }
    assert!(bench.now - start > Duration::from_secs(1200), "{:?}", bench.now - start);
}

#[test]
fn a_link_that_is_to_be_replaced_loses_its_subscription_without_another_start() {
    let mut bench = Bench::up();
    while bench.wait() != (Slot::A, Action::Call(Call::Renew)) {
        bench.tell(Slot::A, Input::Pong, Action::None);
    }
    bench.session.renew(Settings::new(Duration::from_secs(30)), true, bench.now);
    assert_eq!(bench.wait(), (Slot::B, Action::Call(Call::Create)));
    bench.tell(Slot::A, Input::Trouble(Trouble::Gone), Action::None);
    bench.tell(Slot::B, ACTIVE, Action::Call(Call::Token));
    // Nor does another reload start it anew; once it is up, another takes over for that one.
    bench.session.renew(Settings::new(Duration::from_secs(30)), true, bench.now);
    bench.tell(Slot::B, Input::Token, Action::Connect);
    bench.tell(Slot::B, Input::Opened, Action::Authenticate);
    bench.tell(Slot::B, Input::Authentication(Verdict::Confirmed), Action::Begin);
    bench.tell(Slot::B, Input::Event, Action::None);
    let taken_over = bench.session.handle(Slot::B, Input::SnapshotClosed, bench.now);
    assert_eq!(taken_over, (Slot::A, Action::Abandon(Reason::Replaced)));
    assert_eq!(bench.wait(), (Slot::A, Action::Call(Call::Create)));
    bench.tell(Slot::A, ACTIVE, Action::Call(Call::Token));
    bench.tell(Slot::A, Input::Token, Action::Connect);
    bench.tell(Slot::A, Input::Opened, Action::Authenticate);
    bench.tell(Slot::A, Input::Authentication(Verdict::Confirmed), Action::Begin);
    bench.tell(Slot::A, Input::Event, Action::None);
    let taken_over = bench.session.handle(Slot::A, Input::SnapshotClosed, bench.now);
    assert_eq!(taken_over, (Slot::B, Action::Abandon(Reason::Replaced)));
    assert!(!bench.session.is_taking_over(), "and that is all");
}

#[test]
fn a_link_that_waits_is_tried_at_once_after_a_reload() {
    let mut bench = Bench::up();
    bench.tell(Slot::A, CLOSED, Action::Close(Reason::Closed));
    assert_eq!(bench.wait(), (Slot::A, Action::Call(Call::Get)));
    let refused = Input::Trouble(Trouble::Refused);
    assert!(matches!(bench.session.handle(Slot::A, refused, bench.now).1, Action::Close(_)));
    let before = bench.now;
    bench.session.renew(Settings::new(Duration::from_secs(30)), true, bench.now);
    assert_eq!((bench.wait(), bench.now), ((Slot::A, Action::Call(Call::Get)), before));
}
