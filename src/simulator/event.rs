//! The text of an event, in the field order and spelling of AXP's examples. Every value is a string, numbers too.

use serde::{Serialize, Serializer, ser::SerializeMap};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::row::{Row, Value};

/// Whether an event belongs to the snapshot that opens a session.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum PayloadType {
    Initializing,
    Live,
}

/// What an event does to its row.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum EventAction {
    Upsert,
    Delete,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the fields are AXP's")]
struct Event<'a> {
    account_id: &'a str,
    keys: Pairs<'a, String>,
    event_action: EventAction,
    event_source_id: &'a str,
    measure_producer_id: &'a str,
    payload_type: PayloadType,
    #[serde(skip_serializing_if = "Option::is_none")]
    measures: Option<Pairs<'a, Value>>,
}

/// Pairs as a JSON object.
struct Pairs<'a, V>(&'a [(&'static str, V)]);

impl<V: Serialize> Serialize for Pairs<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An event about `row`; without `measures` the field is left out.
pub(super) fn text(
    account: &str,
    row: &Row,
    payload_type: PayloadType,
    event_action: EventAction,
    measures: Option<&[(&'static str, Value)]>,
) -> Utf8Bytes {
    let event = Event {
        account_id: account,
        keys: Pairs(&row.keys),
        event_action,
        event_source_id: "IXCC_1.0.0",
        measure_producer_id: row.producer.id(),
        payload_type,
        measures: measures.map(Pairs),
    };
    // Strings and maps with string keys always have a JSON text.
    serde_json::to_string(&event).unwrap_or_default().into()
}

/// An event that carries all of a row's measures.
pub(super) fn whole(account: &str, row: &Row, payload_type: PayloadType) -> Utf8Bytes {
    let names = row.producer.measures().iter().map(|measure| measure.name);
    let measures: Vec<_> = names.zip(row.published.iter().flatten().cloned()).collect();
    text(account, row, payload_type, EventAction::Upsert, Some(&measures))
}

#[cfg(test)]
mod tests {
    use super::super::{channel::Channel, measures::Producer, row::Subject};
    use super::*;

    #[test]
    fn an_event_has_the_field_order_of_the_examples_and_strings_only() {
        let row = Row {
            subject: Subject::QueueOn(0, Channel::Email),
            producer: Producer::QueueByChannel,
            keys: vec![("channelId", "Email".to_owned()), ("queueId", "a\"b".to_owned())],
            published: None,
        };
        let measures = [("active", Value::Number(3)), ("isDefaultQueue", Value::Word("true"))];
        assert_eq!(
            text("EZCLTR", &row, PayloadType::Live, EventAction::Upsert, Some(&measures)).as_str(),
            concat!(
                r#"{"accountId":"EZCLTR","keys":{"channelId":"Email","queueId":"a\"b"},"eventAction":"UPSERT","#,
                r#""eventSourceId":"IXCC_1.0.0","measureProducerId":"QueueByChannel_itd_1.0.0","#,
                r#""payloadType":"LIVE","measures":{"active":"3","isDefaultQueue":"true"}}"#,
            ),
        );
        let deleted = text("EZCLTR", &row, PayloadType::Live, EventAction::Delete, None);
        assert!(deleted.ends_with(r#""payloadType":"LIVE"}"#), "{deleted}");
    }
}
