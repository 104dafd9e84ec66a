//! The model by itself: balances, rates, one seed one story.

use super::*;
use crate::simulator::book::Book;

const START_MS: u64 = 1_700_000_000_000;

fn centre(seed: u64) -> Centre {
    Centre::new(&CentreOptions::default(), seed, START_MS)
}

fn assert_books_balance(centre: &Centre) {
    let floor = &centre.floor;
    let queues: Book = floor.queues.iter().flat_map(|queue| &queue.books).sum();
    let agents: Book = floor.agents.iter().flat_map(|agent| &agent.books).sum();
    for queue in &floor.queues {
        assert!(queue.books.iter().all(|book| book.balances(false)), "{queue:?}");
    }
    for agent in &floor.agents {
        assert!(agent.books.iter().all(|book| book.balances(true)), "{agent:?}");
        let busy: u64 = agent.books.iter().map(|book| book.queueing + book.active + book.in_acw).sum();
        assert_eq!(busy, u64::from(agent.contact.is_some()), "one contact at a time: {agent:?}");
    }
    assert_eq!((queues.answered, queues.completed), (agents.answered, agents.completed));
    assert_eq!((queues.active, queues.in_acw), (agents.active, agents.in_acw));
    assert_eq!((queues.active_ms, queues.acw_ms), (agents.active_ms, agents.acw_ms));
    assert_eq!((queues.coached, queues.coaching_ms), (agents.coached, agents.coaching_ms));
}

#[test]
fn the_books_balance_after_every_tick_and_over_resets_and_log_outs() {
    let mut centre = centre(1);
    for tick in 1..3_000_u64 {
        centre.tick(START_MS + tick * 200);
        if tick % 500 == 0 {
            centre.reset_interval();
        }
        if tick % 37 == 0 {
            centre.log_out(None);
        }
        if tick % 41 == 0 {
            centre.log_in(None);
        }
        assert_books_balance(&centre);
    }
}

#[test]
fn the_published_numbers_of_a_queue_add_up() {
    let mut centre = centre(2);
    centre.tick(START_MS + 1_000);
    centre.reset_interval();
    let before: Vec<u64> = centre.shown(Producer::Queue).map(|row| number(row, "contactsQueueing")).collect();
    centre.tick(START_MS + 120_000);
    for (row, before) in centre.shown(Producer::Queue).zip(before) {
        let out = ["Answered", "abandonedFromQueue", "abandonedFromAlerting", "contactsQueueing"];
        let out: u64 = out.iter().map(|name| number(row, name)).sum();
        assert_eq!(number(row, "Offered") + before, out);
    }
}

#[test]
fn one_seed_tells_one_story() {
    let story = |seed| {
        let mut centre = centre(seed);
        let mut changes = Vec::new();
        for tick in 1..400_u64 {
            changes.extend(centre.tick(START_MS + tick * 50));
        }
        changes.extend(centre.log_out(None).unwrap().1);
        changes.extend(centre.reset_interval());
        changes
    };
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
}

#[test]
fn the_default_centre_has_well_over_a_thousand_numbers_and_about_the_asked_rate() {
    let mut centre = centre(3);
    let numbers = centre
        .rows()
        .iter()
        .filter_map(|row| row.published.as_ref())
        .flatten()
        .filter(|value| matches!(value, Value::Number(_)))
        .count();
    assert!(numbers > 2_000, "{numbers}");
    let seconds = 600;
    let events: usize = (1..seconds * 20).map(|tick| centre.tick(START_MS + tick * 50).len()).sum();
    let per_second = events / usize::try_from(seconds).unwrap();
    assert!((15..=22).contains(&per_second), "{per_second} events a second");
}

#[test]
fn every_measure_of_every_row_has_a_value() {
    let centre = centre(4);
    for row in centre.rows() {
        let values = row.published.iter().flatten();
        for (measure, value) in row.producer.measures().iter().zip(values) {
            let absent = *value == Value::Word("N/A");
            assert!(!absent || measure.name == "reasonCodeName", "{} of {:?}", measure.name, row.subject);
        }
    }
}

#[test]
fn contacts_wait_are_abandoned_held_coached_and_passed_on_in_the_course_of_an_hour() {
    let mut centre = centre(5);
    let mut waited = 0;
    for minute in 1..60_u64 {
        centre.tick(START_MS + minute * 60_000);
        waited += centre.shown(Producer::Queue).map(|row| number(row, "contactsQueueing")).sum::<u64>();
    }
    assert!(waited > 0);
    for name in [
        "abandonedFromQueue",
        "abandonedFromAlerting",
        "notAnswered",
        "hold",
        "coached",
        "transferInitiatedToQueue",
        "transferAcceptedFromQueue",
        "holdDuration",
        "acwDuration",
        "coachingDuration",
    ] {
        let sum: u64 = centre.shown(Producer::Queue).map(|row| number(row, name)).sum();
        assert!(sum > 0, "{name}");
    }
    let count = |name: &str| centre.shown(Producer::Queue).map(|row| number(row, name)).sum::<u64>();
    let abandoned = count("abandonedFromQueue");
    assert!(abandoned * 4 < count("Offered"), "{abandoned} of {}: the centre is drowned", count("Offered"));
}

#[test]
fn a_log_out_takes_the_rows_of_the_agent_and_a_log_in_brings_them_back() {
    let mut centre = centre(6);
    let (id, gone) = centre.log_out(None).unwrap();
    let mine = |change: &Change| centre.rows()[change.row].keys.iter().any(|(_, value)| *value == id);
    let deletes = gone.iter().filter(|change| change.measures.is_none() && mine(change)).count();
    assert!(deletes >= 3, "the agent's row and one for each of at least two channels, not {deletes}");
    assert!(!centre.shown(Producer::Agent).any(|row| row.keys[0].1 == id));
    assert!(centre.log_out(Some(&id)).is_none(), "already logged out");
    assert_eq!(centre.log_in(Some(&id)).unwrap().0, id);
    assert!(centre.shown(Producer::Agent).any(|row| row.keys[0].1 == id));
    assert!(centre.log_out(Some("nobody")).is_none());
}

#[test]
fn time_that_goes_back_changes_nothing_and_a_rate_of_nought_lets_nothing_happen() {
    let mut centre = centre(7);
    assert_eq!(centre.tick(START_MS - 1), []);
    let options = CentreOptions { events_per_second: 0.0, ..CentreOptions::default() };
    let mut still = Centre::new(&options, 7, START_MS);
    assert_eq!(still.tick(START_MS + 86_400_000), []);
}

fn number(row: &Row, name: &str) -> u64 {
    let place = row.producer.measures().iter().position(|measure| measure.name == name).unwrap();
    row.published.as_ref().unwrap()[place].to_string().parse().unwrap()
}
