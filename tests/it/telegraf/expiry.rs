//! Beside a stand-in for Telegraf's `outputs.prometheus_client`, which forgets a series that it has
//! not heard of for `expiration_interval`.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::telegraf::{Centre, Line, Plugin};

const HEARTBEAT: Duration = Duration::from_millis(200);
/// Some heartbeats, as a machine that runs other tests may be slow.
const EXPIRATION_INTERVAL: Duration = Duration::from_secs(2);

/// A series for each field of each set of tags, and when it was heard of last.
#[derive(Default)]
struct Collection(HashMap<(String, String), Instant>);

impl Collection {
    /// Hears what has come, and forgets what is too old.
    fn look(&mut self, plugin: &Plugin) {
        let now = Instant::now();
        for line in plugin.process.read_come() {
            let Line { series, fields, .. } = Line::read(&line);
            self.0.extend(fields.into_keys().map(|field| ((series.clone(), field), now)));
        }
        self.0.retain(|_, heard| now - *heard < EXPIRATION_INTERVAL);
    }

    /// How many there are of rows with this tag.
    fn count(&self, tag: &str) -> usize {
        self.0.keys().filter(|(series, _)| series.contains(tag)).count()
    }
}

#[test]
fn what_does_not_change_outlives_the_interval_and_what_is_deleted_goes_after_one() {
    let centre = Centre::start(0);
    let plugin = Plugin::start(&centre, "", &["--heartbeat", "200ms"]);
    let mut collection = Collection::default();
    let look_until = |collection: &mut Collection, until: &dyn Fn(&Collection, Duration) -> bool| {
        let started = Instant::now();
        loop {
            collection.look(&plugin);
            if until(collection, started.elapsed()) {
                return started.elapsed();
            }
            assert!(started.elapsed() < PATIENCE, "{:?}", collection.0.len());
            thread::sleep(Duration::from_millis(10));
        }
    };
    // The snapshot is there when two heartbeats have brought nothing new.
    look_until(&mut collection, &|_, elapsed| elapsed > HEARTBEAT * 3);
    let all = collection.0.len();
    assert!(all > 100);
    look_until(&mut collection, &|collection, elapsed| {
        assert_eq!(collection.0.len(), all, "nothing has changed");
        elapsed > EXPIRATION_INTERVAL * 2
    });

    let agent = centre.admin("agents/logout", "")["agentId"].as_str().unwrap().to_owned();
    let theirs = collection.count(&agent);
    assert!(theirs > 0);
    let took = look_until(&mut collection, &|collection, _| collection.count(&agent) == 0);
    // From the last heartbeat before the DELETE on.
    assert!(took > EXPIRATION_INTERVAL / 2 && took < EXPIRATION_INTERVAL * 2, "{took:?}");
    assert!(collection.0.len() >= all - theirs, "the others stay");
}
