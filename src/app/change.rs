//! What has changed from one configuration to the next, and what that takes.

use crate::config::{Axp, Config};

/// The keys that have changed though the running program cannot change them: what it listens on and
/// writes to stays open. Whoever changes them wants to hear that, not half of what was asked for.
pub(super) fn frozen(before: &Config, after: &Config) -> Vec<&'static str> {
    let (axp, web) = (&before.axp, &before.web);
    let keys = [
        ("axp.account_id", axp.account_id != after.axp.account_id),
        ("axp.state_file", axp.state_file != after.axp.state_file),
        ("web.listen", web.listen != after.web.listen),
        ("web.metrics_path", web.metrics_path != after.web.metrics_path),
        ("web.config_file", web.config_file != after.web.config_file),
        ("web.lifecycle", web.lifecycle != after.web.lifecycle),
        ("influx", before.influx != after.influx),
        ("record", before.record != after.record),
        ("log.format", before.log.format != after.log.format),
    ];
    keys.into_iter().filter_map(|(key, has_changed)| has_changed.then_some(key)).collect()
}

/// Whether a feed that is up has to be connected anew for the change to take effect.
pub(super) fn is_connection_changed(before: &Config, after: &Config) -> bool {
    // What the pipeline and the next question to AXP go by.
    let rest = |axp: &Axp| Axp {
        stale_after: after.axp.stale_after,
        snapshot_quiet: after.axp.snapshot_quiet,
        dictionary: after.axp.dictionary,
        locale: after.axp.locale.clone(),
        ..axp.clone()
    };
    rest(&before.axp) != after.axp || before.limits.frame_bytes != after.limits.frame_bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bytes, Duration};

    fn changed(change: impl FnOnce(&mut Config)) -> (Config, Config) {
        let mut after = Config::default();
        change(&mut after);
        (Config::default(), after)
    }

    #[test]
    fn what_takes_a_restart_is_named() {
        let (before, after) = changed(|config| {
            config.axp.account_id = "ABCDEF".to_owned();
            config.web.metrics_path = "/m".to_owned();
            config.influx.push(crate::config::Influx::default());
            config.limits.series = 7;
        });
        assert_eq!(frozen(&before, &after), ["axp.account_id", "web.metrics_path", "influx"]);
        assert!(frozen(&after, &after).is_empty());
    }

    #[test]
    fn only_what_a_connection_goes_by_takes_another_one() {
        for (change, expected) in [
            ((|config: &mut Config| config.axp.ping_interval = Duration::from_secs(7)) as fn(&mut _), true),
            (|config: &mut Config| config.axp.client_id = "other".to_owned(), true),
            (|config: &mut Config| config.axp.endpoint_hosts.clear(), true),
            (|config: &mut Config| config.limits.frame_bytes = Bytes::new(1 << 10), true),
            (|config: &mut Config| config.axp.stale_after = Duration::from_secs(7), false),
            (|config: &mut Config| config.axp.locale = "de".to_owned(), false),
            (|config: &mut Config| config.relabel.push(crate::label::relabel::RelabelRule::default()), false),
        ] {
            let (before, after) = changed(change);
            assert_eq!(is_connection_changed(&before, &after), expected, "{after:?}");
        }
    }
}
