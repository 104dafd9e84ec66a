//! What a link makes of how its subscription stands.

use super::*;

#[test]
fn a_pending_subscription_is_polled_ever_more_slowly_and_given_up() {
    let mut bench = calling(Call::Create);
    let start = bench.now;
    bench.tell(stands(Status::Pending), Action::None);
    for poll in [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 15] {
        bench.wait_exactly(seconds(poll), Action::Call(Call::Get));
        if bench.now - start < UNUSABLE_MAX {
            bench.tell(stands(Status::Pending), Action::None);
        }
    }
    assert_eq!(bench.now - start, UNUSABLE_MAX);
    bench.tell(stands(Status::Pending), Action::Abandon(Reason::Pending));
    bench.wait_exactly(REFUSED_PAUSE, Action::Call(Call::Create));
    bench.tell(stands(Status::Pending), Action::None);
    bench.wait_exactly(seconds(1), Action::Call(Call::Get));
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
}

#[test]
fn an_inactive_subscription_is_renewed_and_replaced_where_that_does_not_help() {
    let mut bench = calling(Call::Get);
    bench.tell(stands(Status::Inactive), Action::Call(Call::Renew));
    bench.tell(stands(Status::Active), Action::Call(Call::Token));

    let mut bench = calling(Call::Renew);
    bench.tell(stands(Status::Inactive), Action::Abandon(Reason::Subscription));
    bench.wait_exactly(Duration::ZERO, Action::Call(Call::Create));

    let mut bench = calling(Call::Renew);
    bench.trouble(Trouble::Gone, Action::Call(Call::Create));

    let mut bench = calling(Call::Renew);
    bench.tell(stands(Status::Pending), Action::None);
    bench.wait_exactly(seconds(1), Action::Call(Call::Get));
}

#[test]
fn a_subscription_unknown_to_the_websocket_is_looked_at() {
    let cases = [
        (stands(Status::Active), Action::Call(Call::Token)),
        (stands(Status::Inactive), Action::Call(Call::Renew)),
        (stands(Status::Pending), Action::None),
        (Input::Trouble(Trouble::Gone), Action::Call(Call::Create)),
    ];
    for (answer, expected) in cases {
        let mut bench = Bench::authenticating();
        let unknown = Input::Authentication(Verdict::UnknownSubscription);
        bench.tell(unknown, Action::Close(Reason::Authentication));
        bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Get));
        bench.tell(answer, expected);
    }
}

#[test]
fn a_subscription_that_the_websocket_refuses_five_times_is_replaced() {
    for verdict in [Verdict::ServerError, Verdict::UnknownSubscription, Verdict::Other] {
        let mut bench = Bench::authenticating();
        for _ in 1..REFUSALS_MAX {
            bench.tell(Input::Authentication(verdict), Action::Close(Reason::Authentication));
            assert_eq!(bench.wait().1, Action::Call(Call::Get));
            bench.tell(stands(Status::Active), Action::Call(Call::Token));
            bench.go_authenticate();
        }
        bench.tell(Input::Authentication(verdict), Action::Abandon(Reason::Authentication));
        bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Create));
    }
}

#[test]
fn a_creation_that_ended_in_the_dark_is_looked_for() {
    for trouble in [Trouble::Unknown, Trouble::Later(None)] {
        let mut bench = calling(Call::Create);
        bench.trouble(trouble, Action::Close(Reason::Subscription));
        bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Find));
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
    }
    calling(Call::Find).tell(stands(Status::Inactive), Action::Call(Call::Renew));

    let mut bench = calling(Call::Create);
    bench.tell(Input::Woke, Action::Close(Reason::Suspended));
    bench.wait_exactly(Duration::ZERO, Action::Call(Call::Find));
}

#[test]
fn finding_none_is_believed_once_the_creation_must_have_been_carried_out() {
    let mut bench = calling(Call::Create);
    let start = bench.now;
    bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
    let mut looks = 0;
    loop {
        assert_eq!(bench.wait().1, Action::Call(Call::Find));
        looks += 1;
        if bench.now - start >= DOUBT_MIN {
            break;
        }
        bench.tell(Input::NotFound, Action::None);
    }
    assert!((2..=5).contains(&looks), "{looks}");
    bench.tell(Input::NotFound, Action::Call(Call::Create));

    // One that comes late is found.
    let mut bench = calling(Call::Find);
    bench.tell(Input::NotFound, Action::None);
    assert_eq!(bench.wait().1, Action::Call(Call::Find));
    bench.tell(stands(Status::Active), Action::Call(Call::Token));

    // Where AXP says that it did not make it, one look is enough.
    let mut bench = calling(Call::Create);
    bench.trouble(Trouble::Later(None), Action::Close(Reason::Subscription));
    assert_eq!(bench.wait().1, Action::Call(Call::Find));
    bench.tell(Input::NotFound, Action::Call(Call::Create));
}

/// Tells the same trouble at each look, and that it stands so in between; how long until
/// the subscription is given up.
fn given_up_after(bench: &mut Bench, trouble: Trouble, status: Status) -> Duration {
    let start = bench.now;
    loop {
        let next = bench.link.handle(Input::Trouble(trouble), bench.now);
        if next == Action::Abandon(Reason::Subscription) {
            return bench.now - start;
        }
        assert_eq!(next, Action::Close(Reason::Subscription));
        assert_eq!(bench.wait().1, Action::Call(Call::Get));
        if status == Status::Inactive {
            match bench.link.handle(stands(status), bench.now) {
                Action::Call(Call::Renew) => {}
                action => {
                    assert_eq!(action, Action::Abandon(Reason::Subscription));
                    return bench.now - start;
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_seen_is_kept_for_as_long_as_it_may_be_alive() {
    for trouble in [Trouble::Refused, Trouble::Conflict, Trouble::Later(Some(MINUTE)), Trouble::Unknown] {
        // Known from a look: until its end.
        let mut bench = Bench::authenticating();
        bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
        assert_eq!(bench.wait().1, Action::Call(Call::Get));
        let kept = given_up_after(&mut bench, trouble, Status::Active);
        assert!((seconds(840)..LIFE + REFUSED_PAUSE).contains(&kept), "{trouble:?}: {kept:?}");
        let pause = if trouble == Trouble::Unknown { seconds(1)..=MINUTE } else { MINUTE..=REFUSED_PAUSE };
        bench.wait_between(*pause.start(), *pause.end(), Action::Call(Call::Create));
    }
    // Known from the ledger alone.
    for trouble in [Trouble::Later(None), Trouble::Unknown] {
        let kept = given_up_after(&mut calling(Call::Get), trouble, Status::Active);
        assert!((UNRENEWED_MAX..UNRENEWED_MAX + MINUTE).contains(&kept), "{trouble:?}: {kept:?}");
    }
}

#[test]
fn one_from_before_that_may_not_be_looked_at_is_replaced_at_once() {
    let mut bench = calling(Call::Get);
    bench.trouble(Trouble::Refused, Action::Abandon(Reason::Subscription));
    bench.wait_exactly(Duration::ZERO, Action::Call(Call::Create));
}

#[test]
fn an_inactive_subscription_that_cannot_be_renewed_is_given_up() {
    for trouble in [Trouble::Refused, Trouble::Conflict, Trouble::Later(None), Trouble::Unknown] {
        let mut bench = calling(Call::Renew);
        let kept = given_up_after(&mut bench, trouble, Status::Inactive);
        assert!((UNUSABLE_MAX..=REFUSED_PAUSE).contains(&kept), "{trouble:?}: {kept:?}");
        bench.wait_exactly(Duration::ZERO, Action::Call(Call::Create));
    }
}

#[test]
fn what_cannot_be_looked_for_is_given_up_once_it_must_have_expired() {
    let mut bench = calling(Call::Create);
    let start = bench.now;
    loop {
        bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
        match bench.wait().1 {
            Action::Call(Call::Find) => assert!(bench.now - start < DOUBT_MAX),
            action => break assert_eq!(action, Action::Call(Call::Create)),
        }
    }
    assert!(bench.now - start < DOUBT_MAX + MINUTE);
}

#[test]
fn too_many_subscriptions_may_be_our_own() {
    let mut bench = calling(Call::Create);
    bench.trouble(Trouble::Conflict, Action::Call(Call::Find));
    bench.tell(stands(Status::Active), Action::Call(Call::Token));

    let mut bench = calling(Call::Create);
    for (min, max) in
        [(seconds(1), FIRST_PAUSE), (REFUSED_PAUSE, REFUSED_PAUSE), (REFUSED_PAUSE, REFUSED_PAUSE)]
    {
        bench.trouble(Trouble::Conflict, Action::Call(Call::Find));
        bench.tell(Input::NotFound, Action::Close(Reason::Subscription));
        bench.wait_between(min, max, Action::Call(Call::Create));
    }
    // One that was had, and the next wait is a short one again.
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
    bench.go_authenticate();
    bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
    bench.wait();
    bench.trouble(Trouble::Gone, Action::Call(Call::Create));
    bench.trouble(Trouble::Conflict, Action::Call(Call::Find));
    bench.tell(Input::NotFound, Action::Close(Reason::Subscription));
    bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Create));
}

#[test]
fn only_a_wait_for_a_place_ends_when_one_is_free() {
    let crowded = || {
        let mut bench = calling(Call::Create);
        for _ in 0..2 {
            bench.trouble(Trouble::Conflict, Action::Call(Call::Find));
            bench.tell(Input::NotFound, Action::Close(Reason::Subscription));
            bench.wait();
        }
        bench
    };
    let mut bench = crowded();
    bench.trouble(Trouble::Conflict, Action::Call(Call::Find));
    bench.tell(Input::NotFound, Action::Close(Reason::Subscription));
    bench.link.place_freed(bench.now);
    bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Create));

    let mut bench = crowded();
    bench.trouble(Trouble::Refused, Action::Close(Reason::Subscription));
    bench.link.place_freed(bench.now);
    bench.wait_exactly(REFUSED_PAUSE, Action::Call(Call::Create));
}

#[test]
fn making_subscriptions_again_and_again_waits() {
    let mut bench = Bench::subscribed();
    let start = bench.now;
    for _ in 1..CREATIONS_MAX {
        bench.go_authenticate();
        let unknown = Input::Authentication(Verdict::UnknownSubscription);
        bench.tell(unknown, Action::Close(Reason::Authentication));
        bench.wait();
        bench.trouble(Trouble::Gone, Action::Call(Call::Create));
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
    }
    bench.go_authenticate();
    bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
    bench.wait();
    bench.trouble(Trouble::Gone, Action::None);
    assert_eq!(bench.wait().1, Action::Call(Call::Create));
    assert_eq!(bench.now - start, CREATIONS_WINDOW);

    // The link that takes over counts on.
    let mut successor = bench.link.successor(bench.now, 8);
    assert_eq!(successor.handle(Input::Tick, bench.now), Action::Call(Call::Create));
    successor.handle(stands(Status::Active), bench.now);
    let mut last = successor.successor(bench.now, 9);
    assert_eq!(last.handle(Input::Tick, bench.now), Action::None);
    assert!(last.deadline().is_some_and(|deadline| deadline > bench.now));
}

#[test]
fn creations_that_ended_in_the_dark_count_as_made() {
    // Whether they are looked for in vain or cannot be looked for at all.
    for vain in [Input::NotFound, Input::Trouble(Trouble::Refused)] {
        let mut bench = calling(Call::Create);
        let start = bench.now;
        for made in 1..=CREATIONS_MAX {
            bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
            loop {
                bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Find));
                match bench.link.handle(vain, bench.now) {
                    Action::Call(Call::Create) => break assert!(made < CREATIONS_MAX),
                    _ if bench.now - start > CREATIONS_WINDOW / 2 => panic!("it waits for too long"),
                    _ if made == CREATIONS_MAX && bench.link.deadline() == Some(start + CREATIONS_WINDOW) => {
                        break;
                    }
                    action => assert_eq!(action, Action::None),
                }
            }
        }
        assert_eq!(bench.wait().1, Action::Call(Call::Create));
        assert_eq!(bench.now - start, CREATIONS_WINDOW);
    }
}

#[test]
fn a_creation_that_is_found_counts_once() {
    let mut bench = calling(Call::Create);
    for _ in 0..2 {
        bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
        assert_eq!(bench.wait().1, Action::Call(Call::Find));
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
        bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
        assert_eq!(bench.wait().1, Action::Call(Call::Get));
        bench.trouble(Trouble::Gone, Action::Call(Call::Create));
    }
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
    bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
    bench.wait();
    bench.trouble(Trouble::Gone, Action::Call(Call::Create));
}

#[test]
fn what_was_never_sent_is_neither_looked_for_nor_counted() {
    let mut bench = calling(Call::Create);
    for _ in 0..4 * CREATIONS_MAX {
        bench.trouble(Trouble::NotSent, Action::Close(Reason::Subscription));
        bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Create));
    }
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
}

#[test]
fn no_token_goes_to_a_foreign_endpoint() {
    let foreign = Input::Subscription(Standing { endpoint_allowed: false, ..standing(Status::Active) });
    for call in [Call::Create, Call::Find, Call::Get, Call::Renew] {
        let mut bench = calling(call);
        bench.tell(foreign, Action::Abandon(Reason::Endpoint));
        bench.wait_between(seconds(1), seconds(8), Action::Call(Call::Create));
    }
    // Nor is one asked for again and again.
    let mut bench = calling(Call::Create);
    let start = bench.now;
    for _ in 0..=CREATIONS_MAX {
        bench.tell(foreign, Action::Abandon(Reason::Endpoint));
        while bench.wait().1 == Action::None {}
    }
    assert!(bench.now - start >= CREATIONS_WINDOW);
}
