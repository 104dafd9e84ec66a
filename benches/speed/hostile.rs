//! Frames that nobody means, as long as `limits.frame_bytes` lets them be, beside ordinary events of as
//! many bytes: a server takes little more of the processor by odd events than by many.

use std::hint::black_box;
use std::time::Duration;

use axp_exporter::config::Config;
use axp_exporter::pipeline::Moment;

use crate::frames;
use crate::report::{Report, Target, milliseconds, time};
use crate::rig::Rig;

const ROUNDS: usize = 5;

pub(crate) fn measure(report: &mut Report) {
    let bytes = usize::try_from(Config::default().limits.frame_bytes.get()).unwrap();
    let mut ordinary = frames::agents(bytes / 400);
    let mut sum = 0;
    ordinary.retain(|frame| {
        sum += frame.len();
        sum <= bytes
    });
    let mut known = Rig::new(frames::AGENTS);
    known.apply(&ordinary);
    let mut worst: Option<(&str, Duration, Duration)> = None;
    for (what, frame) in hostile(bytes) {
        let (mut yardstick, mut subject) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            // Names that it knows would cost less.
            let mut rig = Rig::new(frames::AGENTS);
            yardstick = yardstick.min(time(|| known.apply(&ordinary)));
            subject = subject.min(time(|| {
                // Refused or not.
                let _ = black_box(rig.pipeline.apply(&frame, Moment::now()));
            }));
        }
        println!("4 MiB of {what}: {}; of events {}", milliseconds(subject), milliseconds(yardstick));
        if worst.is_none_or(|(_, _, longest)| subject > longest) {
            worst = Some((what, yardstick, subject));
        }
    }
    let (what, yardstick, subject) = worst.unwrap();
    report.add(
        &format!("the worst frame of 4 MiB: {what}"),
        milliseconds(subject),
        format!("as many bytes of events {}", milliseconds(yardstick)),
        subject.as_secs_f64() / yardstick.as_secs_f64(),
        Target::AtMost(8.0),
    );
}

/// Frames of almost so many bytes, and what each of them is full of.
fn hostile(bytes: usize) -> Vec<(&'static str, String)> {
    let room = bytes - 400;
    let fill = |part: &str| part.repeat(room / part.len());
    let many = |entry: fn(usize) -> String, count: usize| {
        let mut left = room;
        let entries = (0..count).map(entry).take_while(|entry| {
            let fits = left > entry.len();
            left = left.saturating_sub(entry.len() + 1);
            fits
        });
        entries.collect::<Vec<_>>().join(",")
    };
    let event = |key: &str, measures: &str| frames::frame(frames::AGENTS, "LIVE", key, measures);
    let key = r#""agentId":"one""#;
    let value = |text: &str| event(key, &format!(r#""timeOnHold":"{text}""#));
    vec![
        ("arrays in arrays", event(key, &format!(r#""timeOnHold":{}"#, fill("[")))),
        ("objects in objects", event(key, &format!(r#""timeOnHold":{}"#, fill("{\"a\":")))),
        ("digits", value(&fill("1"))),
        ("text", value(&fill("x"))),
        ("escapes", value(&fill("\\u0001"))),
        ("escapes in a key", event(&format!(r#""agentId":"{}""#, fill("\\u202e")), "")),
        ("keys", event(&many(|number| format!(r#""k{number}":"1""#), usize::MAX), "")),
        ("measures", event(key, &many(|number| format!(r#""m{number}":"1""#), usize::MAX))),
        ("new measures", event(key, &many(|number| format!(r#""m{number}{number:0>390}":"1""#), 10_000))),
        ("texts", event(key, &many(|number| format!(r#""m{number}":"{number:x>400}""#), 10_000))),
        ("one measure again and again", event(key, &many(|_| r#""timeOnHold":"1""#.to_owned(), 10_000))),
        ("refused values", event(key, &many(|number| format!(r#""m{number}":"{number:é>200}\n""#), 10_000))),
        ("blanks", event(key, &fill(" "))),
    ]
}
