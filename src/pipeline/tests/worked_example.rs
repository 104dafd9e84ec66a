//! The two events that AXP's own document shows, byte for byte in both outputs.

use super::harness::*;
use crate::config::Producer;

const QUEUE_EVENT: &str = include_str!("../../../tests/fixtures/queue-event.json");
const AGENT_EVENT: &str = include_str!("../../../tests/fixtures/agent-event.json");

#[test]
fn the_queue_event_gives_these_series_and_this_line() {
    let mut bench = Bench::new();
    bench.apply(QUEUE_EVENT).unwrap();
    let labels = r#"{account_id="EZCLTR",channel_id="EMAIL"}"#;
    assert_eq!(
        bench.samples(),
        [
            format!("axp_queue_itd_active{labels} 0"),
            format!("axp_queue_itd_active_agents_in_acw{labels} 0"),
            format!("axp_queue_itd_active_duration_seconds{labels} 922"),
            format!("axp_queue_itd_active_engagements_in_acw{labels} 0"),
            format!("axp_queue_itd_alert_duration_seconds{labels} 5"),
            format!("axp_queue_itd_answered{labels} 4"),
            format!("axp_queue_itd_coached{labels} 2"),
            format!("axp_queue_itd_coached_duration_seconds{labels} 309"),
            format!("axp_queue_itd_coaching{labels} 2"),
            format!("axp_queue_itd_coaching_duration_seconds{labels} 309"),
            format!("axp_queue_itd_completed{labels} 4"),
            format!("axp_queue_itd_contacts_queueing{labels} 2"),
            r#"axp_queue_itd_info{account_id="EZCLTR",channel_id="EMAIL",queue_name="Natella"} 1"#.to_owned(),
            format!("axp_queue_itd_is_default_queue{labels} 0"),
            format!("axp_queue_itd_offered{labels} 4"),
        ]
    );
    assert_eq!(
        bench.lines(),
        "queue_itd,account_id=EZCLTR,channel_id=EMAIL coached=2,is_default_queue=false,active_duration_seconds=922,active=0,active_engagements_in_acw=0,contacts_queueing=2,answered=4,coaching_duration_seconds=309,queue_name=\"Natella\",coached_duration_seconds=309,active_agents_in_acw=0,alert_duration_seconds=5,completed=4,coaching=2,offered=4 1643645393849000000\n"
    );
}

#[test]
fn the_agent_event_gives_these_series_and_this_line() {
    let producer = Producer { id: "Agent_itd_1.0.0".to_owned(), ..Producer::default() };
    let mut bench = Setup { producer, ..Setup::default() }.build();
    bench.apply(AGENT_EVENT).unwrap();
    assert_eq!(
        bench.samples(),
        [
            r#"axp_agent_itd_agent_logon_duration_seconds{account_id="EZCLTR",agent_id="9f44ed4e-24ee-4e50-98af-02582e440be5"} 36000"#,
            r#"axp_agent_itd_agent_state{account_id="EZCLTR",agent_id="9f44ed4e-24ee-4e50-98af-02582e440be5",state="READY"} 1"#,
            r#"axp_agent_itd_idle_time_duration_seconds{account_id="EZCLTR",agent_id="9f44ed4e-24ee-4e50-98af-02582e440be5"} 36000"#,
            r#"axp_agent_itd_info{account_id="EZCLTR",agent_id="9f44ed4e-24ee-4e50-98af-02582e440be5",user_status="Live"} 1"#,
            r#"axp_agent_itd_time_in_state_timestamp_seconds{account_id="EZCLTR",agent_id="9f44ed4e-24ee-4e50-98af-02582e440be5"} 1643645393.849"#,
            r#"axp_agent_itd_time_logged_in_timestamp_seconds{account_id="EZCLTR",agent_id="9f44ed4e-24ee-4e50-98af-02582e440be5"} 1643645393.849"#,
        ]
    );
    assert_eq!(
        bench.lines(),
        "agent_itd,account_id=EZCLTR,agent_id=9f44ed4e-24ee-4e50-98af-02582e440be5 time_in_state_timestamp_seconds=1643645393.849,user_status=\"Live\",time_logged_in_timestamp_seconds=1643645393.849,idle_time_duration_seconds=36000,agent_logon_duration_seconds=36000,agent_state=\"READY\" 1643645393849000000\n"
    );
    // Names and login are dropped; three times are "0" and the reason is "N/A".
    assert_eq!((bench.readings("denied"), bench.readings("absent"), bench.readings("applied")), (4, 4, 6));
}
