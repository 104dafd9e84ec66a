//! The Producer Management API: which measure producers there are, and their dictionaries.

use serde_json::{Value, json};

use super::{api, measures::Producer, reply::Reply};

/// The locale there is a dictionary for.
const LOCALE: &str = "en";

/// Measures shown of each producer in the list, which is a shortened one.
const LISTED_MEASURES_MAX: usize = 3;

/// Lists producers, of one processor type if asked for.
pub(super) fn list(query: &str) -> Reply {
    let wanted = api::parameter(query.as_bytes(), "processorType");
    if let Some(wanted) = &wanted
        && !["ITD", "JRNL", "ADM", "CDR"].contains(&wanted.as_str())
    {
        let message = format!("must be one of ITD, JRNL, ADM, CDR, found {wanted:?}");
        return Reply::violations(&[("processorType", message)]);
    }
    let listed: Vec<Value> = Producer::ALL
        .into_iter()
        .filter(|producer| wanted.as_deref().is_none_or(|wanted| wanted == producer.processor_type()))
        .map(|producer| show(producer, LISTED_MEASURES_MAX))
        .collect();
    Reply::json(200, listed.into())
}

/// One producer with all its measures.
pub(super) fn get(id: &str) -> Reply {
    with(id, |producer| Reply::json(200, show(producer, usize::MAX)))
}

/// The locales of its dictionaries.
pub(super) fn locales(id: &str) -> Reply {
    with(id, |_| Reply::json(200, json!([LOCALE])))
}

/// Its dictionary.
pub(super) fn dictionary(id: &str, locale: &str) -> Reply {
    with(id, |producer| {
        if locale != LOCALE {
            return Reply::not_found("the dictionary");
        }
        let measures: Vec<Value> = producer
            .measures()
            .iter()
            .map(|measure| {
                json!({
                    "name": measure.name,
                    "displayName": measure.display_name(),
                    "description": measure.description,
                })
            })
            .collect();
        Reply::json(
            200,
            json!({ "locale": LOCALE, "description": producer.description(), "measures": measures }),
        )
    })
}

fn with(id: &str, answer: impl FnOnce(Producer) -> Reply) -> Reply {
    Producer::from_id(id).map_or_else(|| Reply::not_found("the measure producer"), answer)
}

fn show(producer: Producer, measures_max: usize) -> Value {
    let measures: Vec<Value> = producer
        .measures()
        .iter()
        .take(measures_max)
        .map(|measure| {
            json!({
                "name": measure.name,
                "type": measure.measure_type.as_str(),
                "displayName": measure.display_name(),
                "active": true,
            })
        })
        .collect();
    json!({
        "measureProducerId": producer.id(),
        "measureProducerName": producer.name(),
        "processorType": producer.processor_type(),
        "description": producer.description(),
        "version": "1.0.0",
        "measureSets": [{ "keys": producer.keys(), "measures": measures }],
    })
}
