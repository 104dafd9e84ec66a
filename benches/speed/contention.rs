//! Ingest while a million series are rendered back to back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::report::{Report, Target, per_second, time};
use crate::{frames, render};

const ROUNDS: usize = 5;

pub(crate) fn measure(report: &mut Report) {
    let mut rig = render::million();
    let events = frames::queues(render::ROWS, "LIVE");
    let is_over = Arc::new(AtomicBool::new(false));
    let (mut alone, mut beside) = (Duration::MAX, Duration::MAX);
    let mut renderings = 0;
    for _ in 0..ROUNDS {
        alone = alone.min(time(|| (0..5).for_each(|_| rig.apply(&events))));
        is_over.store(false, Ordering::Relaxed);
        let (tables, over) = ([Arc::clone(&rig.table)], Arc::clone(&is_over));
        let renderer = thread::spawn(move || {
            let (mut body, mut count) = (Vec::new(), 0);
            while !over.load(Ordering::Relaxed) {
                render::render(&mut body, &tables);
                count += 1;
            }
            count
        });
        beside = beside.min(time(|| (0..5).for_each(|_| rig.apply(&events))));
        is_over.store(true, Ordering::Relaxed);
        renderings += renderer.join().unwrap();
    }
    report.add(
        "ingest while 1 M series are rendered back to back",
        format!("{}, {renderings} renderings", per_second(5 * events.len(), beside)),
        format!("alone {}", per_second(5 * events.len(), alone)),
        alone.as_secs_f64() / beside.as_secs_f64(),
        Target::AtLeast(0.7),
    );
}
