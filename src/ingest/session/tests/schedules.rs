//! The model test: a session and a pipeline in a world where things go wrong for a while,
//! and then no longer. Each schedule of faults comes from its seed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use super::carrier::{Carrier, Seen};
use super::fault::{Chances, up_to};
use super::subscription::Endpoint;
use crate::telemetry::Telemetry;

/// Schedules of each of the tests; `AXP_EXPORTER_SCHEDULES` says another number.
const SCHEDULES: u64 = 1_500;
/// How long things go wrong.
const TROUBLED: Duration = Duration::from_secs(1500);
/// How long it may take from the last fault until all is well: some refusals wait for ten
/// minutes.
const CALM: Duration = Duration::from_secs(900);
/// The window in which requests are counted.
const WINDOW: Duration = Duration::from_secs(600);
/// Most requests to each endpoint in any window. A server that closes each websocket soon after
/// its snapshot is connected to about once in twenty seconds, not each second or two.
const REQUESTS_MAX: [(Endpoint, usize); 6] = [
    (Endpoint::Token, 130),
    (Endpoint::Create, 24),
    (Endpoint::Find, 45),
    (Endpoint::Get, 45),
    (Endpoint::Renew, 125),
    (Endpoint::Connect, 40),
];

/// Most requests to an endpoint in any window.
fn busiest(requests: &[(Instant, Endpoint)], endpoint: Endpoint) -> usize {
    let times: Vec<Instant> =
        requests.iter().filter(|(_, asked)| *asked == endpoint).map(|(at, _)| *at).collect();
    let until = |start: Instant| times.partition_point(|at| *at < start + WINDOW);
    times.iter().enumerate().map(|(first, start)| until(*start) - first).max().unwrap_or(0)
}

/// Runs one schedule; what it came by, and the most requests in any window.
fn run(
    seed: u64,
    telemetry: &Telemetry,
    chances_from: fn(&mut StdRng) -> Chances,
    reload_odds: Option<u32>,
) -> (Seen, [usize; REQUESTS_MAX.len()]) {
    let mut carrier = Carrier::new(seed, telemetry, chances_from);
    carrier.reload_odds = reload_odds;
    let start = carrier.world.now;
    carrier.run(start + TROUBLED);
    carrier.disturb_at = None;
    carrier.world.settle();
    // Some time the contact centre closes, and what was wrong by then stays wrong.
    let works_for = up_to(CALM / 2, &mut carrier.world.random);
    carrier.run(start + TROUBLED + works_for);
    carrier.work_at = None;
    carrier.run(start + TROUBLED + CALM);
    if let Some(fault) = carrier.fault() {
        panic!("{fault}\n{}", carrier.describe());
    }
    let counts = REQUESTS_MAX.map(|(endpoint, max)| {
        let count = busiest(&carrier.world.requests, endpoint);
        // Each reload may end a wait.
        let max = max + carrier.seen.reloads as usize;
        assert!(count <= max, "{count} requests, {max} allowed: {endpoint:?}");
        count
    });
    (carrier.seen, counts)
}

fn run_all(first: u64, chances_from: fn(&mut StdRng) -> Chances, reload_odds: Option<u32>) {
    let count = std::env::var("AXP_EXPORTER_SCHEDULES");
    let count = count.ok().and_then(|count| count.parse().ok()).unwrap_or(SCHEDULES);
    let telemetry = Telemetry::new(1000);
    let (mut all, mut busiest) = (Seen::default(), [0; REQUESTS_MAX.len()]);
    let began = Instant::now();
    for seed in first..first + count {
        let ran = catch_unwind(AssertUnwindSafe(|| run(seed, &telemetry, chances_from, reload_odds)));
        let (seen, counts) = ran.unwrap_or_else(|cause| {
            eprintln!("the schedule of seed {seed} failed");
            resume_unwind(cause)
        });
        all.sessions += seen.sessions;
        all.takeovers += seen.takeovers;
        all.handed_back += seen.handed_back;
        all.empty += seen.empty;
        all.reloads += seen.reloads;
        all.looks += seen.looks;
        all.looks_taking_over += seen.looks_taking_over;
        busiest.iter_mut().zip(counts).for_each(|(most, count)| *most = count.max(*most));
    }
    let most: Vec<_> = REQUESTS_MAX.iter().map(|(endpoint, _)| endpoint).zip(busiest).collect();
    println!("{count} schedules in {:?}: {all:?}, most requests in a window {most:?}", began.elapsed());
    assert!(
        all.takeovers > 0 && all.handed_back > 0 && all.looks_taking_over > 0,
        "the world is too kind: {all:?}"
    );
    assert_eq!(all.reloads > 0, reload_odds.is_some());
}

#[test]
fn after_any_faults_the_rows_are_the_worlds() {
    run_all(0, Chances::any, None);
}

#[test]
fn however_one_session_takes_over_from_another_the_rows_are_the_worlds() {
    run_all(1 << 32, Chances::of_takeovers, None);
}

#[test]
fn whenever_the_configuration_is_reloaded_the_rows_are_the_worlds() {
    run_all(2 << 32, Chances::any, Some(8));
}
