//! Any bytes as a configuration: it is refused in so many lines, or what it sets makes legal outputs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axp_exporter::config::{Account, Config, Producer};
use axp_exporter::label::relabel::Rules;
use axp_exporter::parse::privacy::Privacy;
use axp_exporter::pipeline::{Blueprint, Moment};
use axp_exporter::table::rows::Limits;

use super::outputs::Bench;

/// Measures that settings are about.
const MEASURES: &str = r#"{"answered":"4","activeDuration":"1500","agentState":"READY","queueName":"North",
    "agentFirstName":"Ann","timeInState":"1643645393849","isDefaultQueue":"false","a":"00:01:30","b":"50%"}"#;

/// Loads the configuration, and runs two events by it.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // No file is there, so that none is read.
    let path = Path::new("/nonexistent/config.toml");
    let config = match Config::from_text(Account::Unused, path, text, std::iter::empty()) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            assert!(problems.iter().len() > 0);
            for problem in &problems {
                let told = problem.to_string();
                assert!(!told.is_empty() && !told.contains(char::is_control), "{told:?} is one line");
            }
            return;
        }
    };
    let rules = Rules::compile(&config.relabel).expect("they have been checked");
    let privacy = Privacy::new(config.privacy.personal, &config.privacy.measures, None);
    let blueprint = Blueprint::new(&config, privacy, Arc::new(rules), Limits::new(config.limits.series));
    let unnamed = || vec![Producer { id: "Queue_itd_1.0.0".to_owned(), ..Producer::default() }];
    let producers = if config.producer.is_empty() { unnamed() } else { config.producer };
    for producer in producers.into_iter().take(4) {
        let now = Moment { instant: Instant::now(), unix_ns: 0 };
        let mut bench = Bench::new(&blueprint, producer);
        bench.pipeline.session_opened(now);
        for queue in ["a", "b"] {
            let frame = format!(
                r#"{{"keys":{{"queueId":"{queue}"}},"eventAction":"UPSERT","payloadType":"LIVE","measures":{MEASURES}}}"#
            );
            let _ = bench.pipeline.apply(&frame, now);
        }
        bench.check();
    }
}
