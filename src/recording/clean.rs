//! An event without what privacy keeps back, as JSON.
//!
//! It is written anew from what was read of it, so that nothing else of its frame is recorded, be it
//! a field that nobody knows. But for personal values it is the same event: it leads to the same row,
//! readings and refusals. Of a personal measure that is dropped the name stays, with `null`; a personal
//! key that is dropped gets a pseudonym in its value's place, since it tells rows apart.

use std::borrow::Cow;

use crate::config::Personal;
use crate::ingest::event::{Action, Event, PayloadType, Scalar};
use crate::parse::measures::Measures;
use crate::parse::privacy::Privacy;

/// Text that decodes to none: the lower half of a surrogate pair alone.
const BAD_TEXT: &[u8] = br#""\udc00""#;

/// Appends the event; `pseudonyms` hashes by a key that nobody else has.
pub(super) fn write_event(out: &mut Vec<u8>, event: &Event<'_>, measures: &Measures, pseudonyms: &Privacy) {
    let privacy = measures.privacy();
    out.push(b'{');
    let ids = [
        ("accountId", event.account_id.as_deref()),
        ("eventSourceId", event.event_source_id.as_deref()),
        ("measureProducerId", event.producer_id.as_deref()),
        ("eventAction", event.action.map(action)),
        ("payloadType", event.payload_type.map(payload_type)),
    ];
    for (name, value) in ids.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        write_text(out, name);
        out.push(b':');
        write_text(out, value);
        out.push(b',');
    }
    out.extend_from_slice(b"\"keys\":{");
    for (index, (name, value)) in event.keys.iter().enumerate() {
        write_name(out, index, name);
        let kept = privacy.treat(name, value);
        write_text(out, &kept.unwrap_or_else(|| Cow::Owned(pseudonyms.hash(value))));
    }
    out.extend_from_slice(b"},\"measures\":{");
    for (index, (name, scalar)) in event.measures.iter().enumerate() {
        write_name(out, index, name);
        match privacy.mode_of(name) {
            Personal::Keep => write_scalar(out, scalar),
            Personal::Drop | Personal::Hash => write_treated(out, name, scalar, measures),
        }
    }
    out.extend_from_slice(b"}}");
}

/// Writes what may be recorded of a personal value.
fn write_treated(out: &mut Vec<u8>, name: &str, scalar: &Scalar<'_>, measures: &Measures) {
    // What has no text says nothing of anybody.
    let Some(text) = scalar.text() else { return write_scalar(out, scalar) };
    match measures.privacy().treat(name, text) {
        _ if measures.is_null(text) => write_text(out, text),
        Some(treated) => write_text(out, &treated),
        None => out.extend_from_slice(b"null"),
    }
}

fn write_scalar(out: &mut Vec<u8>, scalar: &Scalar<'_>) {
    match scalar {
        Scalar::Text(text) => write_text(out, text),
        Scalar::Number(text) => out.extend_from_slice(text.as_bytes()),
        Scalar::Boolean(true) => out.extend_from_slice(b"true"),
        Scalar::Boolean(false) => out.extend_from_slice(b"false"),
        Scalar::Null => out.extend_from_slice(b"null"),
        Scalar::Nested => out.extend_from_slice(b"{}"),
        Scalar::BadText => out.extend_from_slice(BAD_TEXT),
    }
}

fn write_name(out: &mut Vec<u8>, index: usize, name: &str) {
    if index > 0 {
        out.push(b',');
    }
    write_text(out, name);
    out.push(b':');
}

/// Appends a text as JSON.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    // Memory takes everything, and a text is always JSON.
    let _ = serde_json::to_writer(out, text);
}

const fn action(action: Action) -> &'static str {
    match action {
        Action::Upsert => "UPSERT",
        Action::Delete => "DELETE",
    }
}

const fn payload_type(payload_type: PayloadType) -> &'static str {
    match payload_type {
        PayloadType::Initializing => "INITIALIZING",
        PayloadType::Live => "LIVE",
    }
}
