//! The three stores of a customer, and what each has of a measure: Prometheus scrapes, InfluxDB and `VictoriaMetrics`
//! are written to.

use std::collections::BTreeMap;

use axp_exporter::simulator::SimulatorHandle;
use serde_json::Value;

use crate::influx::servers::{Kind, Server};
use crate::peers::Prometheus;
use crate::support::{PATIENCE, request, wait_for};

/// Values by the id of what they are about.
pub(super) type Values = BTreeMap<String, f64>;

/// A measure that is looked at: AXP's words for it, and ours.
pub(super) struct Measure {
    producer_id: &'static str,
    name: &'static str,
    measurement: &'static str,
    label: &'static str,
    field: &'static str,
    /// What AXP's number has to be divided by.
    divisor: f64,
}

/// Contacts that came in, by queue: what moves as long as anything does.
pub(super) const OFFERED: Measure = of_queues("Offered", "offered");
/// Contacts that wait, by queue.
pub(super) const WAITING: Measure = of_queues("contactsQueueing", "contacts_queueing");
/// Counts, a duration, a flag and a point in time.
const MEASURES: [Measure; 6] = [
    OFFERED,
    WAITING,
    of_queues("activeDuration", "active_duration_seconds"),
    of_queues("isDefaultQueue", "is_default_queue"),
    of_agents("agentLogonDuration", "agent_logon_duration_seconds", 1.0),
    of_agents("timeInState", "time_in_state_timestamp_seconds", 1000.0),
];

const fn of_queues(name: &'static str, field: &'static str) -> Measure {
    Measure {
        producer_id: "Queue_itd_1.0.0",
        name,
        measurement: "queue_itd",
        label: "queue_id",
        field,
        divisor: 1.0,
    }
}

const fn of_agents(name: &'static str, field: &'static str, divisor: f64) -> Measure {
    Measure {
        producer_id: "Agent_itd_1.0.0",
        name,
        measurement: "agent_itd",
        label: "agent_id",
        field,
        divisor,
    }
}

impl Measure {
    /// What the contact centre itself says, in our units.
    pub(super) fn upstream(&self, simulator: &SimulatorHandle) -> Values {
        let rows = simulator.rows(self.producer_id).into_iter();
        let values = rows.map(|(keys, measures)| {
            let (_, value) = measures.iter().find(|(name, _)| name == self.name).unwrap();
            let value = match value.as_str() {
                "true" => 1.0,
                "false" => 0.0,
                number => number.parse::<f64>().unwrap() / self.divisor,
            };
            (keys[0].1.clone(), value)
        });
        values.collect()
    }

    fn metric(&self) -> String {
        format!("axp_{}_{}", self.measurement, self.field)
    }
}

/// The stores; gone when dropped.
pub(super) struct Stores {
    prometheus: Prometheus,
    influxdb: Server,
    victoria: Server,
}

impl Stores {
    /// `InfluxDB` with a database, and `VictoriaMetrics`.
    pub(super) fn start_databases() -> (Server, Server) {
        let influxdb = Server::start(Kind::InfluxDb);
        influxdb.influxql("CREATE DATABASE axp");
        (influxdb, Server::start(Kind::VictoriaMetrics))
    }

    /// The two, and a Prometheus with this folder for its configuration.
    pub(super) fn of(folder: tempfile::TempDir, influxdb: Server, victoria: Server) -> Self {
        Self { prometheus: Prometheus::start_in(folder), influxdb, victoria }
    }

    /// What a query gives in Prometheus now, by this label.
    pub(super) fn prometheus(&self, query: &str, label: &str) -> Values {
        of_vector(&self.prometheus.api("query", &[("query", query)]), label)
    }

    /// The last values of a field in `InfluxDB`, by this tag.
    fn influxdb(&self, measurement: &str, field: &str, tag: &str) -> Values {
        let query = format!("SELECT last({field}) FROM {measurement} GROUP BY {tag}");
        let series = self.influxdb.influxql(&query);
        let values = series.as_array().into_iter().flatten().map(|one| {
            let value = &one["values"][0][1];
            let value = value.as_bool().map(|flag| f64::from(u8::from(flag))).or(value.as_f64());
            (one["tags"][tag].as_str().unwrap().to_owned(), value.unwrap())
        });
        values.collect()
    }

    /// The last values of a field in `VictoriaMetrics`, by this label.
    fn victoria(&self, measurement: &str, field: &str, label: &str) -> Values {
        // What was written becomes visible now, not seconds later.
        request("GET", &format!("{}/internal/force_flush", self.victoria.url()), &[], "").ok();
        let query = format!("last_over_time({measurement}_{field}[10m])");
        let parameters = [("query", query.as_str()), ("nocache", "1")];
        of_vector(&self.victoria.ask("GET", "/api/v1/query", &parameters)["data"], label)
    }

    /// Waits until every store has what the contact centre says, and Prometheus nothing else: of those who have gone
    /// the other two are never told more than that.
    #[track_caller]
    pub(super) fn agree_with(&self, simulator: &SimulatorHandle) {
        for measure in MEASURES {
            let wanted = measure.upstream(simulator);
            assert!(!wanted.is_empty(), "nothing to compare");
            wait_for(&format!("agreement on {}", measure.name), PATIENCE, || {
                let scraped = self.prometheus(&measure.metric(), measure.label);
                if !scraped.keys().eq(wanted.keys()) {
                    return Err(format!("{scraped:?} in Prometheus, not {wanted:?}"));
                }
                let Measure { measurement, field, label, .. } = measure;
                for (store, found) in [
                    ("Prometheus", scraped),
                    ("InfluxDB", self.influxdb(measurement, field, label)),
                    ("VictoriaMetrics", self.victoria(measurement, field, label)),
                ] {
                    let differs = |(id, value): &(&String, &f64)| {
                        !found.get(*id).is_some_and(|found| are_equal(*found, **value))
                    };
                    if let Some((id, value)) = wanted.iter().find(differs) {
                        return Err(format!("{value} of {id}, {:?} in {store}", found.get(id)));
                    }
                }
                Ok(())
            });
        }
    }

    /// Waits until Prometheus, though it scrapes the exporter, has no series of a measure any more, and the other two
    /// know of each row that it is retired.
    #[track_caller]
    pub(super) fn show_nothing(&self, simulator: &SimulatorHandle) {
        for measure in MEASURES {
            let rows: Vec<_> = measure.upstream(simulator).into_keys().collect();
            let Measure { measurement, label, .. } = measure;
            wait_for(&format!("silence on {}", measure.name), PATIENCE, || {
                let left = self.prometheus(&measure.metric(), label);
                let up = self.prometheus("up", "job").into_values().collect::<Vec<_>>();
                if !left.is_empty() || up != [1.0] {
                    return Err(format!("up is {up:?}, {left:?} in Prometheus"));
                }
                for (store, retired) in [
                    ("InfluxDB", self.influxdb(measurement, "retired", label)),
                    ("VictoriaMetrics", self.victoria(measurement, "retired", label)),
                ] {
                    if let Some(row) = rows.iter().find(|row| retired.get(*row) != Some(&1.0)) {
                        return Err(format!("{row} is not retired in {store}"));
                    }
                }
                Ok(())
            });
        }
    }
}

/// The values of a vector, as Prometheus and `VictoriaMetrics` answer, by this label.
#[track_caller]
fn of_vector(data: &Value, label: &str) -> Values {
    let series = data["result"].as_array().expect("a vector").iter();
    let values = series.map(|one| {
        let id = one["metric"][label].as_str().expect("the label");
        (id.to_owned(), one["value"][1].as_str().and_then(|value| value.parse().ok()).expect("a number"))
    });
    values.collect()
}

/// `VictoriaMetrics` keeps some fifteen digits.
fn are_equal(one: f64, other: f64) -> bool {
    (one - other).abs() <= other.abs() * 1e-12
}
