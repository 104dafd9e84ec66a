//! What a link makes of its websocket.

use super::*;

#[test]
fn a_token_refused_by_the_websocket_is_replaced_at_once_but_once() {
    let invalid = Input::Authentication(Verdict::InvalidToken);
    let mut bench = Bench::up();
    // Also where something else went wrong before.
    bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
    bench.wait();
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
    bench.go_authenticate();
    bench.tell(invalid, Action::Close(Reason::Authentication));
    bench.wait_exactly(Duration::ZERO, Action::CallAnew(Call::Get));
    for _ in 1..REFUSALS_MAX {
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
        bench.go_authenticate();
        bench.tell(invalid, Action::Close(Reason::Authentication));
        bench.wait_between(seconds(1), MINUTE, Action::CallAnew(Call::Get));
    }

    // A session that lasts forgives it.
    bench.come_back();
    bench.tell(Input::Event, Action::None);
    bench.tell(Input::SnapshotClosed, Action::None);
    bench.live_on(MINUTE);
    bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
    bench.wait();
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
    bench.go_authenticate();
    bench.tell(invalid, Action::Close(Reason::Authentication));
    bench.wait_exactly(Duration::ZERO, Action::CallAnew(Call::Get));
}

#[test]
fn a_subscription_whose_tokens_the_websocket_never_takes_is_replaced() {
    let invalid = Input::Authentication(Verdict::InvalidToken);
    let unauthorized = Input::TurnedAway(Trouble::Unauthorized);
    for (opened, input, reason) in [
        (true, invalid, Reason::Authentication),
        (true, Input::Expelled, Reason::Closed),
        (false, unauthorized, Reason::Connect),
    ] {
        let mut bench = Bench::subscribed();
        // The first one may be about the token alone.
        for refusal in 0..=REFUSALS_MAX {
            bench.tell(Input::Token, Action::Connect);
            if opened {
                bench.tell(Input::Opened, Action::Authenticate);
            }
            if refusal == REFUSALS_MAX {
                break;
            }
            bench.tell(input, Action::Close(reason));
            let (min, max) = if refusal == 0 { (0, 0) } else { (1, 60) };
            bench.wait_between(seconds(min), seconds(max), Action::CallAnew(Call::Get));
            bench.tell(stands(Status::Active), Action::Call(Call::Token));
        }
        bench.tell(input, Action::Abandon(reason));
        bench.wait_between(seconds(1), MINUTE, Action::CallAnew(Call::Create));
    }
}

#[test]
fn a_constraint_violation_waits_for_minutes() {
    let mut bench = Bench::authenticating();
    let violation = Input::Authentication(Verdict::ConstraintViolation);
    bench.tell(violation, Action::Close(Reason::Authentication));
    bench.wait_exactly(REFUSED_PAUSE, Action::Call(Call::Get));
}

#[test]
fn authentication_without_an_answer_ends() {
    let mut bench = Bench::authenticating();
    bench.wait_exactly(AUTHENTICATION_TIMEOUT, Action::Close(Reason::Authentication));
    bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Get));
}

#[test]
fn a_token_refused_on_an_open_socket_leads_to_a_new_one() {
    let mut bench = Bench::up();
    bench.tell(Input::Authentication(Verdict::Confirmed), Action::None);
    let invalid = Input::Authentication(Verdict::InvalidToken);
    bench.tell(invalid, Action::Close(Reason::Authentication));
    bench.wait_between(seconds(1), FIRST_PAUSE, Action::CallAnew(Call::Get));
}

#[test]
fn a_socket_that_breaks_is_opened_anew_on_the_same_subscription() {
    for step in 0..3 {
        let mut bench = Bench::subscribed();
        bench.tell(Input::Token, Action::Connect);
        if step > 0 {
            bench.tell(Input::Opened, Action::Authenticate);
        }
        if step > 1 {
            bench.begin();
        }
        bench.tell(Input::Broken(Reason::Connect), Action::Close(Reason::Connect));
        bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Get));
        bench.come_back();
    }
}

#[test]
fn only_a_session_that_lasts_ends_the_backing_off_of_a_server_that_accepts_and_closes() {
    let mut bench = Bench::authenticating();
    let accept_and_close = |bench: &mut Bench, snapshot: Option<Duration>| {
        bench.begin();
        bench.tell(Input::Event, Action::None);
        if let Some(life) = snapshot {
            bench.tell(Input::SnapshotClosed, Action::None);
            bench.live_on(life);
        }
        bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
        let (waited, action) = bench.wait();
        assert_eq!(action, Action::Call(Call::Get));
        bench.tell(stands(Status::Active), Action::Call(Call::Token));
        bench.go_authenticate();
        waited
    };
    for snapshot in [None, Some(Duration::ZERO), Some(seconds(59))] {
        let waits: Vec<Duration> = (0..20).map(|_| accept_and_close(&mut bench, snapshot)).collect();
        assert!(waits.iter().sum::<Duration>() > 5 * MINUTE, "{snapshot:?}: {waits:?}");
    }
    let waited = accept_and_close(&mut bench, Some(MINUTE));
    assert!(waited <= FIRST_PAUSE, "{waited:?}");
}

/// The wait before the first ping with these intervals.
fn ping_interval(configured: Duration, allowed: Option<Duration>) -> Duration {
    let now = Instant::now();
    let mut bench = Bench { link: Link::new(Settings::new(configured), now, 1, Before::None), now };
    bench.wait();
    let standing = Standing { ping_interval: allowed, ..standing(Status::Active) };
    bench.tell(Input::Subscription(standing), Action::Call(Call::Token));
    bench.go_authenticate();
    bench.begin();
    let (waited, action) = bench.wait();
    assert_eq!(action, Action::Ping);
    waited
}

#[test]
fn pings_are_sent_well_within_what_the_server_allows() {
    let cases = [
        (30, None, 30),
        (30, Some(300), 30),
        (30, Some(60), 20),
        (30, Some(15), 5),
        (30, Some(1), 5),
        (30, Some(0), 30),
        (30, Some(u64::MAX), 30),
        (10, Some(90), 10),
        (2, Some(1), 2),
    ];
    for (configured, allowed, expected) in cases {
        let waited = ping_interval(seconds(configured), allowed.map(seconds));
        assert_eq!(waited, seconds(expected), "{configured} s configured, {allowed:?} s allowed");
    }
}

#[test]
fn two_pings_without_an_answer_are_the_end() {
    // Whenever in the interval it falls silent.
    for silent_after in [0, 1, 15, 29] {
        let mut bench = Bench::up();
        bench.wait_exactly(PING, Action::Ping);
        bench.now += seconds(silent_after);
        bench.tell(Input::Pong, Action::None);
        let start = bench.now;
        bench.wait_exactly(PING.checked_sub(seconds(silent_after)).unwrap(), Action::Ping);
        bench.wait_exactly(PING, Action::Ping);
        bench.wait_exactly(LAST_PING_TIMEOUT, Action::Close(Reason::Ping));
        assert!(bench.now - start <= 2 * PING + seconds(5));
    }
}

#[test]
fn any_frame_is_as_good_as_a_pong() {
    for input in [Input::Pong, Input::Event] {
        let mut bench = Bench::up();
        for _ in 0..10 {
            assert_eq!(bench.wait().1, Action::Ping);
            assert_eq!(bench.wait().1, Action::Ping);
            bench.tell(input, Action::None);
        }
    }
}

#[test]
fn pongs_that_nobody_asked_for_do_not_put_off_pings() {
    let mut bench = Bench::up();
    for _ in 0..9 {
        bench.now += seconds(3);
        bench.tell(Input::Pong, Action::None);
    }
    bench.wait_exactly(seconds(3), Action::Ping);
}

#[test]
fn a_session_without_events_is_tried_again_and_then_believed() {
    let mut bench = Bench::authenticating();
    bench.begin();
    assert_eq!(bench.wait_answering(), (FIRST_EVENT_TIMEOUT, Action::Close(Reason::Silent)));
    for _ in 0..2 {
        assert_eq!(bench.wait().1, Action::Call(Call::Get));
        bench.come_back();
        assert_eq!(bench.wait_answering(), (FIRST_EVENT_TIMEOUT, Action::AcceptEmpty));
        assert!(bench.link.is_up());
        bench.tell(Input::SnapshotClosed, Action::None);
        bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
    }
    // An event, and the next silence is a first one again.
    bench.wait();
    bench.come_back();
    bench.tell(Input::Event, Action::None);
    bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
    bench.wait();
    bench.come_back();
    assert_eq!(bench.wait_answering(), (FIRST_EVENT_TIMEOUT, Action::Close(Reason::Silent)));
}

#[test]
fn nothing_that_was_up_survives_a_sleep_of_the_machine() {
    let mut connecting = Bench::subscribed();
    connecting.tell(Input::Token, Action::Connect);
    for mut bench in [calling(Call::Get), connecting, Bench::authenticating(), Bench::up()] {
        bench.tell(Input::Woke, Action::Close(Reason::Suspended));
        bench.wait_exactly(Duration::ZERO, Action::Call(Call::Get));
    }
    let mut bench = Bench::up();
    bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
    bench.tell(Input::Woke, Action::None);
    bench.wait_exactly(Duration::ZERO, Action::Call(Call::Get));
}

#[test]
fn frames_that_are_no_events_do_not_stand_for_a_snapshot() {
    let mut bench = Bench::authenticating();
    bench.begin();
    bench.tell(Input::Frame, Action::None);
    assert_eq!(bench.wait_answering(), (FIRST_EVENT_TIMEOUT, Action::Close(Reason::Silent)));
}

/// A link whose websocket is being opened.
fn connecting() -> Bench {
    let mut bench = Bench::subscribed();
    bench.tell(Input::Token, Action::Connect);
    bench
}

/// From a look at the subscription to an open socket.
fn connect_again(bench: &mut Bench) {
    bench.tell(stands(Status::Active), Action::Call(Call::Token));
    bench.tell(Input::Token, Action::Connect);
}

fn turned_away(trouble: Trouble) -> Input {
    Input::TurnedAway(trouble)
}

#[test]
fn a_server_that_expels_us_while_events_come_gets_another_token_after_a_pause() {
    let mut bench = Bench::up();
    bench.tell(Input::SnapshotClosed, Action::None);
    bench.tell(Input::Expelled, Action::Close(Reason::Closed));
    bench.wait_between(seconds(1), FIRST_PAUSE, Action::CallAnew(Call::Get));
}

#[test]
fn a_server_that_forbids_the_websocket_is_left_alone_for_minutes() {
    let mut bench = connecting();
    for _ in 0..2 * REFUSALS_MAX {
        bench.tell(turned_away(Trouble::Refused), Action::Close(Reason::Connect));
        bench.wait_exactly(REFUSED_PAUSE, Action::Call(Call::Get));
        connect_again(&mut bench);
    }
}

#[test]
fn a_server_that_names_a_time_for_the_websocket_gets_it() {
    let cases = [
        (Some(seconds(90)), seconds(90), seconds(90)),
        (Some(seconds(86_400)), RETRY_AFTER_MAX, RETRY_AFTER_MAX),
        (Some(Duration::ZERO), seconds(1), FIRST_PAUSE),
        (None, seconds(1), FIRST_PAUSE),
    ];
    for (asked, min, max) in cases {
        let mut bench = connecting();
        bench.tell(turned_away(Trouble::Later(asked)), Action::Close(Reason::Connect));
        bench.wait_between(min, max, Action::Call(Call::Get));
    }
    // However often: it does not say that the subscription is at fault.
    let mut bench = connecting();
    for _ in 0..2 * REFUSALS_MAX {
        bench.tell(turned_away(Trouble::Later(None)), Action::Close(Reason::Connect));
        bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Get));
        connect_again(&mut bench);
    }
}

#[test]
fn a_subscription_that_a_server_does_not_let_in_five_times_is_replaced() {
    let closed = Input::Broken(Reason::Closed);
    for (opened, input, reason) in [
        (false, turned_away(Trouble::Gone), Reason::Connect),
        (false, turned_away(Trouble::Unknown), Reason::Connect),
        (true, closed, Reason::Closed),
        (true, Input::Tick, Reason::Authentication),
    ] {
        let mut bench = connecting();
        for refusal in 1..=REFUSALS_MAX {
            if opened {
                bench.tell(Input::Opened, Action::Authenticate);
            }
            if matches!(input, Input::Tick) {
                bench.now += AUTHENTICATION_TIMEOUT;
            }
            if refusal == REFUSALS_MAX {
                bench.tell(input, Action::Abandon(reason));
                bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Create));
                break;
            }
            bench.tell(input, Action::Close(reason));
            bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Get));
            connect_again(&mut bench);
        }
    }
}

#[test]
fn a_network_that_is_away_costs_no_subscription() {
    let mut bench = connecting();
    for _ in 0..10 * REFUSALS_MAX {
        bench.tell(Input::Broken(Reason::Connect), Action::Close(Reason::Connect));
        bench.wait_between(seconds(1), MINUTE, Action::Call(Call::Get));
        connect_again(&mut bench);
    }
}

#[test]
fn only_refusals_in_a_row_cost_a_subscription() {
    let mut bench = connecting();
    for _ in 0..3 {
        for _ in 1..REFUSALS_MAX {
            bench.tell(turned_away(Trouble::Gone), Action::Close(Reason::Connect));
            bench.wait();
            connect_again(&mut bench);
        }
        bench.tell(Input::Opened, Action::Authenticate);
        bench.begin();
        bench.tell(Input::Broken(Reason::Closed), Action::Close(Reason::Closed));
        bench.wait();
        connect_again(&mut bench);
    }
}

#[test]
fn a_message_over_the_limit_holds_off_for_minutes_where_it_comes_again_before_a_session_lasts() {
    let oversized = Input::Broken(Reason::Oversized);
    let mut bench = Bench::up();
    bench.tell(oversized, Action::Close(Reason::Oversized));
    bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Get));
    for _ in 0..3 {
        bench.come_back();
        bench.tell(Input::Event, Action::None);
        bench.tell(oversized, Action::Close(Reason::Oversized));
        bench.wait_exactly(REFUSED_PAUSE, Action::Call(Call::Get));
    }
    bench.come_back();
    bench.tell(Input::Event, Action::None);
    bench.tell(Input::SnapshotClosed, Action::None);
    bench.live_on(MINUTE);
    bench.tell(oversized, Action::Close(Reason::Oversized));
    bench.wait_between(seconds(1), FIRST_PAUSE, Action::Call(Call::Get));
    // It counts on its own, whatever it comes instead of.
    connect_again(&mut bench);
    bench.tell(Input::Opened, Action::Authenticate);
    bench.tell(oversized, Action::Close(Reason::Oversized));
    bench.wait_exactly(REFUSED_PAUSE, Action::Call(Call::Get));
}
