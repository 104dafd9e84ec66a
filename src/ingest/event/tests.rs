//! What is an event, and why others are not.

use proptest::prelude::*;

use super::*;

fn parse(frame: &str) -> Result<Event<'_>, EventReject> {
    Event::parse(frame, &mut EventBuffer::default())
}

fn with_measures(measures: &str) -> String {
    format!(r#"{{"keys":{{"a":"1"}},"eventAction":"UPSERT","payloadType":"LIVE","measures":{measures}}}"#)
}

#[test]
fn the_documented_shape_is_read_in_place() {
    let frame = r#"{"accountId":"EZCLTR","keys":{"queueId":"q","channelId":"EMAIL"},"eventAction":"UPSERT",
        "eventSourceId":"IXCC_1.0.0","measureProducerId":"Queue_itd_1.0.0","payloadType":"INITIALIZING",
        "measures":{"coached":"2","Answered":4,"isDefaultQueue":false,"none":null},"new":{"x":[1]}}"#;
    let event = parse(frame).unwrap();
    assert_eq!(event.account_id.as_deref(), Some("EZCLTR"));
    assert_eq!(event.event_source_id.as_deref(), Some("IXCC_1.0.0"));
    assert_eq!(event.producer_id.as_deref(), Some("Queue_itd_1.0.0"));
    assert_eq!(event.action, Some(Action::Upsert));
    assert_eq!(event.payload_type, Some(PayloadType::Initializing));
    assert_eq!(event.keys, [("channelId".into(), "EMAIL".into()), ("queueId".into(), "q".into())]);
    assert_eq!(
        event.measures,
        [
            ("coached".into(), Scalar::Text("2".into())),
            ("Answered".into(), Scalar::Number("4")),
            ("isDefaultQueue".into(), Scalar::Boolean(false)),
            ("none".into(), Scalar::Null),
        ]
    );
    assert!(matches!(event.measures[0].1, Scalar::Text(Cow::Borrowed(_))));
}

#[test]
fn a_bad_value_stays_one_reading() {
    let frame = with_measures(
        r#"{"big":1e400,"object":{"a":{"b":[]}},"array":[1,2],"surrogate":"\ud800","twice":1,"twice":2,"ok":"\u00e4"}"#,
    );
    let event = parse(&frame).unwrap();
    let values: Vec<_> = event.measures.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(
        values,
        [
            Scalar::Number("1e400"),
            Scalar::Nested,
            Scalar::Nested,
            Scalar::BadText,
            Scalar::Number("1"),
            Scalar::Number("2"),
            Scalar::Text("ä".into()),
        ]
    );
}

#[test]
fn a_delete_needs_no_measures() {
    for measures in ["", r#","measures":null"#, r#","measures":{}"#] {
        let frame =
            format!(r#"{{"keys":{{"agentId":"x"}},"eventAction":"DELETE","payloadType":"LIVE"{measures}}}"#);
        let event = parse(&frame).unwrap();
        assert_eq!(event.action, Some(Action::Delete));
        assert!(event.measures.is_empty());
    }
}

#[test]
fn whole_events_are_refused_by_reason() {
    let many_keys: Vec<String> = (0..=KEYS_MAX).map(|index| format!(r#""k{index}":"v""#)).collect();
    let long = "x".repeat(KEY_BYTES_MAX + 1);
    for (frame, reject) in [
        ("ping".to_owned(), EventReject::NotJson),
        (String::new(), EventReject::NotJson),
        ("[1]".to_owned(), EventReject::NotJson),
        ("\u{feff}{}".to_owned(), EventReject::NotJson),
        ("{".to_owned(), EventReject::Malformed),
        (with_measures("{}") + "{}", EventReject::Malformed),
        (with_measures("[]"), EventReject::Malformed),
        (with_measures(r#""x""#), EventReject::Malformed),
        (with_measures(r#"{"a":+1}"#), EventReject::Malformed),
        ("{}".to_owned(), EventReject::NoKeys),
        (r#"{"keys":{},"eventAction":"UPSERT","payloadType":"LIVE"}"#.to_owned(), EventReject::NoKeys),
        (r#"{"keys":{"a":"1"},"payloadType":"LIVE"}"#.to_owned(), EventReject::UnknownAction),
        (
            r#"{"keys":{"a":"1"},"eventAction":"upsert","payloadType":"LIVE"}"#.to_owned(),
            EventReject::UnknownAction,
        ),
        (
            r#"{"keys":{"a":"1"},"eventAction":"UPSERT","payloadType":7}"#.to_owned(),
            EventReject::UnknownPayloadType,
        ),
        (r#"{"keys":{"a":"1"},"keys":{"a":"1"}}"#.to_owned(), EventReject::DuplicateField),
        (
            r#"{"keys":{"a":"1","a":"2"},"eventAction":"UPSERT","payloadType":"LIVE"}"#.to_owned(),
            EventReject::BadKey,
        ),
        (r#"{"keys":{"":"1"},"eventAction":"UPSERT","payloadType":"LIVE"}"#.to_owned(), EventReject::BadKey),
        (r#"{"keys":{"a":{}}}"#.to_owned(), EventReject::BadKey),
        (
            format!(r#"{{"keys":{{"a":"{long}"}},"eventAction":"UPSERT","payloadType":"LIVE"}}"#),
            EventReject::BadKey,
        ),
        (format!(r#"{{"keys":{{{}}}}}"#, many_keys.join(",")), EventReject::TooLarge),
    ] {
        assert_eq!(parse(&frame).map(|_| ()), Err(reject), "{frame:.120}");
    }
}

#[test]
fn an_empty_key_is_no_key() {
    for empty in [r#""""#, "null"] {
        let frame =
            format!(r#"{{"keys":{{"a":"1","b":{empty}}},"eventAction":"UPSERT","payloadType":"LIVE"}}"#);
        assert_eq!(parse(&frame).unwrap().keys, [("a".into(), "1".into())]);
        assert_eq!(parse(&frame.replace(r#""a":"1","#, "")).map(|_| ()), Err(EventReject::NoKeys));
    }
}

#[test]
fn a_name_that_decodes_to_no_text_costs_its_measure_alone() {
    let frame = with_measures(r#"{"\ud800":"1","b\u0041":"2"}"#);
    let names: Vec<_> = parse(&frame).unwrap().measures.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["", "bA"]);
}

#[test]
fn a_deeply_nested_value_neither_overflows_nor_stops_the_event() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let frame = with_measures(&format!(r#"{{"deep":{deep},"ok":"1"}}"#));
    assert_eq!(parse(&frame).unwrap().measures.len(), 2);
}

#[test]
fn depth_costs_no_stack_wherever_it_stands() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        for (frame, verdict) in [
            (deep.clone(), None),
            (format!(r#"{{"keys":{deep},"eventAction":"UPSERT","payloadType":"LIVE"}}"#), None),
            (format!(r#"{{"keys":{{"a":{deep}}},"eventAction":"UPSERT","payloadType":"LIVE"}}"#), None),
            (with_measures(&deep), (open != "[").then_some(())),
            (with_measures("{}").replacen('{', &format!(r#"{{"new":{deep},"#), 1), Some(())),
            (with_measures("{}").replacen('{', &format!(r#"{{"accountId":{deep},"#), 1), Some(())),
        ] {
            // Cut off, it is no better.
            let half = frame.get(..frame.len() / 2).unwrap();
            assert!(parse(half).is_err());
            assert_eq!(parse(&frame).ok().map(|_| ()), verdict, "{frame:.80}");
        }
    }
}

#[test]
fn an_event_of_too_many_measures_is_refused_as_a_whole() {
    let measures = |count: usize| {
        let measures: Vec<String> = (0..count).map(|index| format!(r#""m{index}":"1""#)).collect();
        with_measures(&format!("{{{}}}", measures.join(",")))
    };
    assert_eq!(parse(&measures(MEASURES_MAX)).unwrap().measures.len(), MEASURES_MAX);
    assert_eq!(parse(&measures(MEASURES_MAX + 1)).map(|_| ()), Err(EventReject::TooLarge));
}

#[test]
fn frames_of_plain_strings_take_the_quick_way() {
    let long = "x".repeat(100);
    for (value, is_plain) in [
        ("\"1\"", true),
        ("\"\"", true),
        ("\"éé\"", true),
        (&*format!("\"{long}\""), true),
        ("1", false),
        ("null", false),
        (r#""a\"b""#, false),
        ("\"\t\"", false),
        (&*format!("\"{long}\\n\""), false),
    ] {
        let frame = with_measures(&format!("{{\"a\": {value}}}"));
        assert_eq!(
            plain::read(&frame, &mut Event::default(), &mut plain::Leads::default()).is_some(),
            is_plain,
            "{value}"
        );
    }
}

#[test]
fn a_plain_string_ends_at_its_quote_and_bears_every_other_character() {
    for byte in 0..0x80_u8 {
        let text = format!("123456{}89", char::from(byte));
        let frame = with_measures(&format!("{{\"a\":\"{text}\"}}"));
        let mut event = Event::default();
        let is_plain = plain::read(&frame, &mut event, &mut plain::Leads::default()).is_some();
        assert_eq!(is_plain, byte >= b' ' && !matches!(byte, b'"' | b'\\'), "{text:?}");
        if is_plain {
            assert_eq!(event.measures, [("a".into(), Scalar::Text(text.into()))]);
        }
    }
}

#[test]
fn events_of_one_number_begin_with_the_same_names_whatever_comes_between() {
    let mut buffer = EventBuffer::default();
    let orders: [&[&str]; 7] =
        [&["a", "b"], &["b", "a"], &["b", "a", "ab"], &["ab"], &["a\"b"], &[], &["b", "ab", "a"]];
    let mut known: Vec<(u64, Vec<String>)> = Vec::new();
    // Long enough for each order to be remembered.
    for round in 0..1000 {
        let names = orders[round * round % 11 % orders.len()];
        let measures: Vec<String> = names.iter().map(|name| format!("{name:?}:{name:?}")).collect();
        let frame = with_measures(&format!("{{{}}}", measures.join(",")));
        let event = Event::parse(&frame, &mut buffer).unwrap();
        let read: Vec<String> = event.measures.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(read, names);
        assert!(event.measures.iter().all(|(name, value)| *value == Scalar::Text(name.clone())));
        if event.names > 0 {
            for (_, others) in known.iter().filter(|(number, _)| *number == event.names) {
                assert!(
                    std::iter::zip(others, &read).all(|(one, other)| one == other),
                    "{others:?} {read:?}"
                );
            }
            known.push((event.names, read));
        }
        event.recycle(&mut buffer);
    }
    let numbers: std::collections::BTreeSet<u64> = known.iter().map(|(number, _)| *number).collect();
    assert!(numbers.len() > 3 && known.len() > 100, "{} numbers, {} events", numbers.len(), known.len());
}

#[test]
fn a_buffer_keeps_its_memory() {
    let frame = with_measures(r#"{"a":"1","b":"2"}"#);
    let mut buffer = EventBuffer::default();
    Event::parse(&frame, &mut buffer).unwrap().recycle(&mut buffer);
    let (keys, measures) = (buffer.keys.as_ptr() as usize, buffer.measures.as_ptr() as usize);
    Event::parse(&frame, &mut buffer).unwrap().recycle(&mut buffer);
    assert_eq!((buffer.keys.as_ptr() as usize, buffer.measures.as_ptr() as usize), (keys, measures));
}

/// Frames of the documented shape, and near it.
fn near_plain() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        6 => "[a-zA-Z0-9 .é/-]{0,20}",
        1 => r#"[a-z]{0,9}(\\u00e4|\\"|\\|\t|")[a-z]{0,9}"#,
    ];
    let text = text.prop_map(|text: String| format!("\"{text}\""));
    let value = prop_oneof![12 => text.clone(), 1 => "-?[0-9]{1,3}|null|true|\\{\\}|\\[1\\]|x|"];
    // Some names come again in the next frame, as they do in AXP's.
    let name =
        prop_oneof![1 => text, 2 => prop::sample::select(vec!["\"a\"", "\"ab\""]).prop_map(str::to_owned)];
    let colon = prop_oneof![3 => Just(":"), 1 => Just(" :"), 1 => Just(": ")];
    let object = prop::collection::vec((name, colon, value.clone()), 0..4).prop_map(|pairs| {
        let pairs: Vec<String> =
            pairs.into_iter().map(|(name, colon, value)| format!("{name}{colon}{value}")).collect();
        format!("{{{} }}", pairs.join(",\n"))
    });
    let field = prop_oneof![
        4 => (prop::sample::select(vec!["keys", "measures"]), object),
        4 => (prop::sample::select(vec!["accountId", "eventSourceId", "measureProducerId"]), value),
        4 => Just(("eventAction", "\"UPSERT\"".to_owned())),
        1 => Just(("eventAction", "\"NONE\"".to_owned())),
        4 => Just(("payloadType", "\"LIVE\"".to_owned())),
        1 => Just(("new", "[{}]".to_owned())),
    ];
    (prop::collection::vec(field, 0..7), prop_oneof![9 => Just(""), 1 => Just("{"), 1 => Just(" ")]).prop_map(
        |(fields, end)| {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}{end}", fields.join(","))
        },
    )
}

proptest! {
    /// What the quick way accepts, the thorough one reads the same, whatever came before.
    #[test]
    fn a_plain_frame_reads_as_any_frame_does(frames in prop::collection::vec(near_plain(), 1..4)) {
        let mut leads = plain::Leads::default();
        for frame in &frames {
            let (mut plain, mut full) = (Event::default(), Event::default());
            if plain::read(frame, &mut plain, &mut leads).is_some() {
                prop_assert_eq!(full.read(frame), Ok(()), "{}", frame);
                full.names = plain.names;
                prop_assert_eq!(plain, full, "{}", frame);
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_json_panics(value in "[-0-9.eE\"\\\\ud{}\\[\\],:a-f]{0,40}") {
        let _ = parse(&with_measures(&format!("{{\"a\":{value}}}")));
    }
}
