//! Both forms of the answer, for kind and for hostile accounts.

use std::path::Path;

use serde_json::{Value, from_value, json};

use super::offer::{Answer, Offer};
use super::{blocks, table};
use crate::config::{Account, Config};
use crate::parse::privacy::Privacy;

const ACCOUNT: &str =
    "[axp]\naccount_id = \"ABCDEF\"\nclient_id = \"me\"\nclient_secret = \"a\"\napp_key = \"b\"\n";

fn config(text: &str) -> Config {
    let text = format!("{ACCOUNT}{text}");
    Config::from_text(Account::Required, Path::new("config.toml"), &text, std::iter::empty()).unwrap().config
}

fn answer(id: &str, producer: Option<Value>, words: Option<Value>) -> Answer {
    Answer {
        id: id.to_owned(),
        producer: producer.map(|producer| from_value(producer).unwrap()),
        words: words.map(|words| from_value(words).unwrap()),
    }
}

/// A producer whose measures are so named and typed.
fn producer(id: &str, measures: &[(&str, &str)]) -> Value {
    let measures: Vec<_> =
        measures.iter().map(|(name, axp_type)| json!({ "name": name, "type": axp_type })).collect();
    json!({ "measureProducerId": id, "measureSets": [{ "keys": ["queueId"], "measures": measures }] })
}

fn offers(answers: Vec<Answer>, config: &Config) -> Vec<Offer> {
    let privacy = Privacy::new(config.privacy.personal, &config.privacy.measures, None);
    Offer::all(answers, config, &privacy)
}

/// What the blocks, appended to a configuration, make of it.
fn appended(text: &str, answers: Vec<Answer>) -> (String, Config) {
    let blocks = blocks::render(&offers(answers, &config(text)), &config(text).producer);
    let config = config(&format!("{text}\n{blocks}"));
    (blocks, config)
}

#[test]
fn a_table_shows_what_each_measure_becomes() {
    let id = "Queue_itd_1.0.0";
    let mut queue = producer(
        id,
        &[
            ("queueName", "STRING"),
            ("hold", "NUMBER"),
            ("acwDuration", "DURATION"),
            ("Hold", "NUMBER"),
            ("agentState", "STRING"),
            ("agentLoginId", "STRING"),
            ("timeActive", "TIME_IN_STATE"),
            ("site", "STRING"),
            ("hold", "STRING"),
        ],
    );
    queue["measureSets"][0]["measures"][1]["active"] = json!(false);
    let words = json!({ "measures": [{ "name": "queueName", "description": "Name" }, { "name": "hold" }] });
    let config = config(
        "[[producer]]\nid = \"Queue_itd_1.0.0\"\nname = \"q\"\ndeny = [\"time*\"]\nlabels = [\"site\"]\n\
         [[producer.measure]]\nname = \"acwDuration\"\nrename = \"wrap_up\"\nhelp = \"Ours\"\n",
    );
    let table = table::render(&offers(vec![answer(id, Some(queue), Some(words))], &config), None);
    let expected = "\
producer  Queue_itd_1.0.0
stem      q
keys      queueId

MEASURE       TYPE               KIND             METRIC                                DESCRIPTION
queueName     STRING             text or boolean  axp_q_queue_name, or label of …_info  Name
hold          NUMBER (inactive)  number           axp_q_hold
acwDuration   DURATION           duration         axp_q_wrap_up_seconds                 Ours
Hold          NUMBER             number           refused: name collision
agentState    STRING             state            axp_q_agent_state{state}
agentLoginId  STRING                              dropped: personal
timeActive    TIME_IN_STATE      timestamp        denied
site          STRING             text             label of all its series: site
";
    assert_eq!(table, expected);
}

#[test]
fn what_is_missing_leaves_the_rest() {
    let mut agent = producer("Agent_itd_1.0.0", &[("active", "NUMBER"), ("mood", "COLOUR")]);
    agent["measureSets"][0]["keys"] = json!(7);
    agent["measureSets"][0]["measures"][0]["displayName"] = json!("Active");
    agent["measureSets"][0]["measures"][1]["displayName"] = json!(null);
    let answers = vec![answer("Agent_itd_1.0.0", Some(agent), None), answer("Queue_itd_1.0.0", None, None)];
    let config = config("[[producer]]\nid = \"Agent_itd_1.0.0\"\n");
    let offers = offers(answers, &config);
    let expected = "\
producer  Agent_itd_1.0.0
stem      agent_itd
keys      not told

MEASURE  TYPE     KIND                     METRIC                                  DESCRIPTION
active   NUMBER   number                   axp_agent_itd_active                    Active
mood     unknown  text, number or boolean  axp_agent_itd_mood, or label of …_info

producer  Queue_itd_1.0.0
stem      queue_itd
keys      not known, as its measures
exported  no: the configuration has [[producer]] blocks, but none with this id
";
    assert_eq!(table::render(&offers, None), expected);
}

#[test]
fn types_of_a_dictionary_that_is_not_asked_for_decide_nothing() {
    let answers =
        || vec![answer("Queue_itd_1.0.0", Some(producer("Queue_itd_1.0.0", &[("hold", "NUMBER")])), None)];
    let table = |text: &str| table::render(&offers(answers(), &config(text)), None);
    assert!(table("").contains("NUMBER  number  axp_queue_itd_hold\n"));
    assert!(
        table("dictionary = false\n").contains("NUMBER  text, number or boolean  axp_queue_itd_hold, or")
    );
}

#[test]
fn hostile_texts_break_out_of_nothing() {
    let id = "Q\"\\_itd_1.0.0";
    let hostile = "a\n[[producer]]\r\u{1b}[2J\u{2028}id = \"x\"";
    let mut queue = producer(id, &[(hostile, "NUMBER"), ("ok", "NUMBER"), (&"n".repeat(5000), "NUMBER")]);
    queue["measureSets"][0]["keys"] = json!([hostile]);
    let words = json!({ "measures": [{ "name": "ok", "description": hostile }, { "name": hostile }] });
    let answers = || vec![answer(id, Some(queue.clone()), Some(words.clone()))];
    let table = table::render(&offers(answers(), &config("")), None);
    assert_eq!(table.lines().count(), 8, "{table}");
    assert!(table.contains("refused: bad name"), "{table}");
    let (text, config) = appended("", answers());
    for text in [table, text] {
        assert!(!text.contains(|character: char| character.is_control() && character != '\n'), "{text}");
        assert!(!text.contains('\u{2028}'));
    }
    assert_eq!(config.producer.len(), 1);
    assert_eq!((config.producer[0].id.as_str(), config.producer[0].allow.len()), (id, 0));
}

#[test]
fn blocks_are_taken_whatever_the_producers_are_called() {
    let ids =
        ["Queue_itd_1.0.0", "Queue_itd_2.0.0", "Exporter_itd_1.0.0", "queue-itd", "q_itd_1", "Queue_itd"];
    let answers = ids.map(|id| answer(id, Some(producer(id, &[("hold", "NUMBER")])), None)).into();
    let (blocks, config) = appended("[[producer]]\nid = \"q_itd_1\"\nname = \"queue_itd_2_0_0\"\n", answers);
    let named: Vec<_> = config.producer.iter().map(|producer| (&*producer.id, producer.stem())).collect();
    let expected = [
        ("q_itd_1", "queue_itd_2_0_0"),
        ("Queue_itd_1.0.0", "queue_itd"),
        ("Queue_itd_2.0.0", "producer_queue_itd_2_0_0"),
        ("Exporter_itd_1.0.0", "producer_exporter_itd_1_0_0"),
        ("queue-itd", "producer_queue_itd"),
        ("Queue_itd", "producer_queue_itd_2"),
    ];
    assert_eq!(named, expected.map(|(id, stem)| (id, stem.to_owned())));
    assert!(
        blocks.contains("# q_itd_1 has its block already.\n# keys: queueId\n# hold  NUMBER\n"),
        "{blocks}"
    );
}

#[test]
fn a_block_lists_what_its_producer_offers() {
    let id = "Queue_itd_1.0.0";
    let mut queue = producer(id, &[("hold", "NUMBER"), ("activeDuration", "DURATION")]);
    queue["measureSets"][0]["measures"][0]["active"] = json!(false);
    let words = json!({ "measures": [{ "name": "activeDuration", "description": "Time" }] });
    let (blocks, _) = appended("", vec![answer(id, Some(queue), Some(words)), answer("Other", None, None)]);
    let (_, blocks) = blocks.split_once("\n\n").unwrap();
    let expected = "\
[[producer]]
id = \"Queue_itd_1.0.0\"
# keys: queueId
# hold            NUMBER (inactive)
# activeDuration  DURATION           Time
allow = []

[[producer]]
id = \"Other\"
# AXP did not say what it measures.
allow = []
";
    assert_eq!(blocks, expected);
}

#[test]
fn strings_are_escaped_as_toml_wants_it() {
    assert_eq!(blocks::quoted("a\"b\\c\nd\u{7f}é"), r#""a\"b\\c\u000Ad\u007Fé""#);
}

#[test]
fn descriptions_fit_the_terminal_and_have_a_line_of_their_own_on_a_narrow_one() {
    let id = "Queue_itd_1.0.0";
    let words = json!({ "measures": [{ "name": "hold", "description": "많은 단어 ".repeat(20) }] });
    let answers = vec![answer(id, Some(producer(id, &[("hold", "NUMBER")])), Some(words))];
    let offers = offers(answers, &config(""));
    for width in [0, 20, 40, 60, 80, 300] {
        let table = table::render(&offers, Some(width));
        let (before, description) = table.trim_end().rsplit_once("  ").unwrap();
        assert_eq!(description.ends_with('…'), width < 300, "{table}");
        assert_eq!(before.ends_with("\n  "), width < 70, "{table}");
        let columns = unicode_width::UnicodeWidthStr::width(table.lines().last().unwrap());
        assert!(width < 20 || columns <= width, "{columns} at {width}:\n{table}");
    }
    assert_eq!(table::cut("fits", 4), "fits");
    assert_eq!(table::cut("단어 abc", 6), "단어 …");
}
