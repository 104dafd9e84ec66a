//! What is written about boards and rules is what there is.

use super::board::repository;

fn text(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}

#[test]
fn the_page_on_dashboards_lists_every_rule_and_every_alert_has_its_unit_test() {
    let (page, tests) = (text("docs/dashboards.md"), text("rules/tests.yml"));
    let mut count = 0;
    for (file, key) in [("rules/alerts.yml", "- alert: "), ("rules/recording.yml", "- record: ")] {
        let rules = text(file);
        for name in rules.lines().filter_map(|line| line.trim().strip_prefix(key)) {
            assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/dashboards.md");
            if key == "- alert: " {
                let fires = format!(r#"ALERTS{{alertname="{name}",alertstate="firing""#);
                assert!(tests.contains(&fires), "{name} is not shown to fire");
                let asked = format!(r#"alertname="{name}"}}'"#);
                let quiet = tests.split(&asked).skip(1);
                assert!(
                    quiet
                        .map(|rest| rest.lines().nth(2).unwrap())
                        .any(|line| line.ends_with("exp_samples: []")),
                    "{name} is not shown to keep quiet"
                );
            } else {
                assert!(tests.contains(&format!("expr: {name}\n")), "{name} is not tested");
            }
            count += 1;
        }
    }
    assert!(count > 20, "{count} rules");
}

#[test]
fn provisioning_finds_the_boards_and_a_data_source_of_each_kind() {
    let provider = text("dashboards/provisioning/dashboards/axp.yml");
    let sources = text("dashboards/provisioning/datasources/axp.yml");
    for kind in ["prometheus", "influxdb"] {
        assert!(provider.contains(&format!("/dashboards/{kind}\n")), "{kind}");
        assert!(sources.contains(&format!("type: {kind}\n")), "{kind}");
    }
}
