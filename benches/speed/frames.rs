//! Frames as AXP sends them: strings throughout, measures in the same order each time.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// The producer of the agents' frames.
pub(crate) const AGENTS: &str = "Agent_itd_1.0.0";
/// The producer of the wide frames.
pub(crate) const QUEUES: &str = "Queue_itd_1.0.0";

/// One LIVE event for each of `rows` agents, with the 14 measures of AXP's documented example.
pub(crate) fn agents(rows: usize) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(14);
    let states = ["READY", "NOT_READY", "CONNECTED", "DISCONNECTED"];
    (0..rows)
        .map(|row| {
            let since = 1_643_645_393_849_u64 + random.random_range(0..100_000_000);
            let state = states[random.random_range(0..states.len())];
            let (idle, logon) = (random.random_range(0..36_000), random.random_range(0..36_000));
            let measures = format!(
                r#""reasonCodeName":"N/A","timeInState":"{since}","agentLoginId":"agent{row}@example.com","userStatus":"Live","agentLastName":"agent{row}","agentDisplayName":"agent{row}","timeOnHold":"0","timeLoggedIn":"{since}","timeActive":"0","idleTimeDuration":"{idle}","agentLogonDuration":"{logon}","timeInACW":"0","agentState":"{state}","agentFirstName":"agent{row}""#
            );
            frame(AGENTS, "LIVE", &agent(row), &measures)
        })
        .collect()
}

/// An event for each of `rows` queues, with 25 numbers of one to four digits.
pub(crate) fn queues(rows: usize, payload_type: &str) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(25);
    (0..rows)
        .map(|row| {
            let measures: Vec<String> =
                WIDE.iter().map(|name| format!(r#""{name}":"{}""#, random.random_range(0..4_000))).collect();
            frame(QUEUES, payload_type, &queue(row), &measures.join(","))
        })
        .collect()
}

/// The same frames in random order.
pub(crate) fn shuffled(frames: &[String]) -> Vec<String> {
    let mut frames = frames.to_vec();
    frames.shuffle(&mut StdRng::seed_from_u64(1));
    // Cloned once more, so that they lie in the order in which they are read, as a socket's do.
    frames.clone()
}

/// An event with this key and these measures.
pub(crate) fn frame(producer: &str, payload_type: &str, key: &str, measures: &str) -> String {
    format!(
        r#"{{"accountId":"EZCLTR","keys":{{{key}}},"eventAction":"UPSERT","eventSourceId":"IXCC_1.0.0","measureProducerId":"{producer}","payloadType":"{payload_type}","measures":{{{measures}}}}}"#
    )
}

/// The key of an agent, a UUID.
fn agent(row: usize) -> String {
    format!(r#""agentId":"9f44ed4e-24ee-4e50-98af-{row:012x}""#)
}

/// The keys of a queue.
pub(crate) fn queue(row: usize) -> String {
    format!(r#""queueId":"9f44ed4e-24ee-4e50-98af-{row:012x}""#)
}

/// 25 measures named as AXP names its own.
pub(crate) const WIDE: [&str; 25] = [
    "coached",
    "activeDuration",
    "active",
    "activeEngagementsInACW",
    "contactsQueueing",
    "answered",
    "coachingDuration",
    "coachedDuration",
    "activeAgentsInACW",
    "alertDuration",
    "completed",
    "coaching",
    "offered",
    "abandoned",
    "abandonedDuration",
    "transferred",
    "conferenced",
    "held",
    "holdDuration",
    "readyAgents",
    "notReadyAgents",
    "loggedInAgents",
    "longestWaitDuration",
    "serviceLevelAnswered",
    "serviceLevelOffered",
];
