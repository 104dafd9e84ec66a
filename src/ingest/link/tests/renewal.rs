//! What a link makes of a renewal while its websocket works.

use super::*;
use crate::ingest::link::held::{LIFE_DEFAULT, RENEWAL_MIN};

fn renewing(life: Duration) -> Bench {
    let mut bench = Bench::up_for(life);
    assert_eq!(bench.wait_answering(), (life / 2, Action::Call(Call::Renew)));
    bench
}

#[test]
fn a_subscription_is_renewed_at_half_its_life() {
    let mut bench = renewing(LIFE);
    assert!(bench.link.is_up());
    bench.tell(living(LIFE * 2), Action::None);
    assert_eq!(bench.wait_answering(), (LIFE, Action::Call(Call::Renew)));
}

#[test]
fn a_renewal_that_failed_is_made_again_after_a_tenth_of_the_life() {
    let mut bench = renewing(LIFE);
    bench.trouble(Trouble::Unknown, Action::None);
    assert_eq!(bench.wait_answering(), (LIFE / 10, Action::Call(Call::Renew)));
    bench.trouble(Trouble::Conflict, Action::None);
    assert_eq!(bench.wait_answering(), (LIFE / 10, Action::Call(Call::Renew)));
    bench.trouble(Trouble::NoToken(None), Action::None);
    assert_eq!(bench.wait_answering(), (LIFE / 10, Action::Call(Call::Renew)));

    let mut bench = renewing(seconds(20));
    bench.trouble(Trouble::Unknown, Action::None);
    assert_eq!(bench.wait_answering(), (RENEWAL_MIN, Action::Call(Call::Renew)));
}

#[test]
fn a_renewal_that_does_not_extend_is_made_again_until_the_end() {
    let mut bench = renewing(LIFE);
    let expires_at = bench.now + LIFE / 2;
    let mut renewals = 0;
    while bench.now < expires_at {
        renewals += 1;
        bench.tell(living(expires_at - bench.now), Action::None);
        assert_eq!(bench.wait_answering(), (LIFE / 10, Action::Call(Call::Renew)));
    }
    assert_eq!(renewals, 5);
    bench.trouble(Trouble::Unknown, Action::Replace);
    assert!(bench.link.is_up(), "it works until it breaks");
}

#[test]
fn a_token_that_is_not_taken_is_asked_for_anew() {
    let mut bench = renewing(LIFE);
    bench.trouble(Trouble::Unauthorized, Action::CallAnew(Call::Renew));
    bench.tell(living(LIFE), Action::None);

    let mut bench = renewing(LIFE);
    bench.trouble(Trouble::Unauthorized, Action::CallAnew(Call::Renew));
    bench.trouble(Trouble::Unauthorized, Action::None);
    assert_eq!(bench.wait_answering(), (LIFE / 10, Action::Call(Call::Renew)));
}

#[test]
fn a_subscription_that_is_lost_leads_to_another_link_once() {
    let foreign = Input::Subscription(Standing { endpoint_allowed: false, ..standing(Status::Active) });
    let losses = [Input::Trouble(Trouble::Gone), stands(Status::Inactive), stands(Status::Pending), foreign];
    for input in losses {
        let mut bench = renewing(LIFE);
        bench.tell(input, Action::Replace);
        assert!(bench.link.is_up());
        // Pings go on, renewals do not.
        for _ in 0..100 {
            assert_eq!(bench.wait().1, Action::Ping);
            bench.tell(Input::Pong, Action::None);
            bench.tell(input, Action::None);
        }
    }
}

#[test]
fn what_expired_is_lost_unless_another_link_could_not_come_up() {
    for trouble in [Trouble::Unknown, Trouble::Refused, Trouble::Conflict] {
        let mut bench = renewing(LIFE);
        bench.now += LIFE;
        bench.trouble(trouble, Action::Replace);
    }
    for trouble in [Trouble::NoToken(Some(REFUSED_PAUSE)), Trouble::NoToken(None), Trouble::Later(None)] {
        let mut bench = renewing(LIFE);
        bench.now += LIFE;
        bench.trouble(trouble, Action::None);
    }
}

#[test]
fn patience_outlives_the_socket() {
    let cases = [
        (Trouble::Refused, REFUSED_PAUSE),
        (Trouble::Later(Some(seconds(400))), seconds(400)),
        (Trouble::Later(Some(seconds(86_400))), RETRY_AFTER_MAX),
    ];
    for (trouble, patience) in cases {
        let mut bench = renewing(LIFE);
        bench.trouble(trouble, Action::None);
        assert_eq!(bench.wait_answering(), (patience, Action::Call(Call::Renew)));

        let mut bench = renewing(LIFE);
        bench.trouble(trouble, Action::None);
        bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
        bench.wait_exactly(patience, Action::Call(Call::Get));
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
        bench.trouble(Trouble::Unknown, Action::Close(Reason::Subscription));
        bench.wait_between(seconds(1), seconds(4), Action::Call(Call::Get));
    }
}

#[test]
fn a_token_that_cannot_be_had_for_a_renewal_keeps_no_socket_that_breaks_from_being_opened_again() {
    let cases = [(Some(REFUSED_PAUSE), REFUSED_PAUSE), (Some(seconds(86_400)), RETRY_AFTER_MAX)];
    for (asked, patience) in cases {
        let mut bench = renewing(LIFE);
        bench.trouble(Trouble::NoToken(asked), Action::None);
        assert_eq!(
            bench.wait_answering(),
            (patience, Action::Call(Call::Renew)),
            "it is not asked for sooner"
        );

        let mut bench = renewing(LIFE);
        bench.trouble(Trouble::NoToken(asked), Action::None);
        bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
        bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Get));
        bench.come_back();
    }
}

#[test]
fn odd_lives_are_lived_with() {
    let day = seconds(86_400);
    let cases = [
        (Some(Duration::ZERO), LIFE_DEFAULT / 2),
        (None, LIFE_DEFAULT / 2),
        (Some(seconds(1)), RENEWAL_MIN),
        (Some(Duration::from_millis(1)), RENEWAL_MIN),
        (Some(Duration::MAX), 7 * day / 2),
        (Some(1000 * day), 7 * day / 2),
    ];
    for (life, expected) in cases {
        let mut bench = Bench::new();
        bench.wait();
        let standing = Standing { life, ..standing(Status::Active) };
        bench.tell(Input::Subscription(standing), Action::Call(Call::Token));
        bench.go_authenticate();
        bench.begin();
        bench.tell(Input::Event, Action::None);
        for _ in 0..3 {
            assert_eq!(bench.wait_answering(), (expected, Action::Call(Call::Renew)), "{life:?}");
            bench.tell(Input::Subscription(standing), Action::None);
        }
    }
}
