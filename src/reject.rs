//! Why data was refused: closed enums whose spellings are metric labels.
//!
//! Bad data is never an error of the program: it is counted under one of these
//! reasons and the rest goes on. Each enum lists its variants in `ALL`, so that
//! every counter exists, at 0, from the start. Text of the feed is never a reason.

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $words:literal])+ $variant:ident => $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $words])+ $variant,)+ }

        impl $name {
            /// Every reason, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value of the `reason` label.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// The same in words, for people: a sentence without its full stop.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => sentence(concat!($($words),+)),)+ }
            }
        }
    };
}

/// A line of documentation as a sentence for people.
const fn sentence(doc: &str) -> &str {
    let doc = doc.trim_ascii();
    match doc.as_bytes() {
        [.., b'.'] => doc.split_at(doc.len() - 1).0,
        _ => doc,
    }
}

reasons! {
    /// Why a whole event was refused: `axp_exporter_events_rejected_total{reason}`.
    EventReject {
        /// Not one JSON object of the documented shape.
        Malformed => "malformed",
        /// A binary frame; the protocol is text.
        Binary => "binary",
        /// A frame before authentication was answered.
        Early => "early",
        /// Text that is not JSON at all, such as a proxy's `ping`.
        NotJson => "not_json",
        /// A top-level field stands twice, so nobody can tell which one holds.
        DuplicateField => "duplicate_field",
        /// `eventAction` is neither `UPSERT` nor `DELETE`.
        UnknownAction => "unknown_action",
        /// `payloadType` is neither `INITIALIZING` nor `LIVE`.
        UnknownPayloadType => "unknown_payload_type",
        /// `measureProducerId` is another producer than the subscription's.
        WrongProducer => "wrong_producer",
        /// `keys` is missing or empty, so there is no row to name.
        NoKeys => "no_keys",
        /// A key is empty, repeated, nested, or too long.
        BadKey => "bad_key",
        /// More keys or measures than one event may carry.
        TooLarge => "too_large",
        /// A DELETE of a row that is not known; there is nothing to do.
        UnknownRow => "unknown_row",
        /// The row could not be taken: see `axp_exporter_rows_refused_total`.
        RowRefused => "row_refused",
        /// Of a session that another one is replacing, which has touched the row already.
        Superseded => "superseded",
    }
}

impl EventReject {
    /// True where the event was of the feed's producer and readable; only its row was not
    /// to be changed.
    pub const fn is_of_a_row(self) -> bool {
        matches!(self, Self::UnknownRow | Self::RowRefused | Self::Superseded)
    }
}

reasons! {
    /// Why one reading was refused: `axp_exporter_readings_rejected_total{reason}`.
    ReadingReject {
        /// Text outside the number grammar.
        NotANumber => "not_a_number",
        /// A number that no finite 64-bit float holds.
        OutOfRange => "out_of_range",
        /// Neither `true` nor `false`.
        NotABoolean => "not_a_boolean",
        /// An object or an array where a value belongs.
        NotScalar => "not_scalar",
        /// A JSON string that decodes to no text (a lone surrogate).
        BadText => "bad_text",
        /// The measure stands more than once in its event.
        Duplicate => "duplicate",
        /// The measure's name is empty or too long.
        BadName => "bad_name",
        /// The metric name belongs to another measure already.
        NameCollision => "name_collision",
        /// The label this measure needs belongs to the row already.
        LabelCollision => "label_collision",
        /// A state outside the configured set, or past the most a set may learn.
        TooManyStates => "too_many_states",
        /// More measures than one producer may have.
        TooManyMeasures => "too_many_measures",
        /// `limits.series` is reached.
        SeriesLimit => "series_limit",
        /// From a snapshot, where a LIVE event of the same session has set it already.
        Superseded => "superseded",
        /// The row itself was refused; its readings go with it.
        RowRefused => "row_refused",
    }
}

reasons! {
    /// Why a row is in no output: `axp_exporter_rows_refused_total{reason}`.
    RowReject {
        /// Another row has the same labels; this one waits for its place.
        LabelCollision => "label_collision",
        /// Two keys of the row fall on one label with different values.
        DuplicateLabel => "duplicate_label",
        /// A `keep` or `drop` rule said so.
        Relabel => "relabel",
        /// As many rows are held as `limits.series` has places.
        RowLimit => "row_limit",
    }
}

reasons! {
    /// Why a row went: `axp_exporter_rows_retired_total{cause}`.
    RetireCause {
        /// A DELETE event.
        Delete => "delete",
        /// Not part of a newer snapshot.
        Resync => "resync",
        /// The feed was lost for longer than `axp.stale_after`.
        Stale => "stale",
        /// The configuration that held it was reloaded.
        Reload => "reload",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_the_words_of_its_documentation() {
        assert_eq!(ReadingReject::NotANumber.words(), "Text outside the number grammar");
        assert_eq!(RowReject::Relabel.words(), "A `keep` or `drop` rule said so");
    }

    #[test]
    fn labels_are_snake_case_and_unique() {
        for labels in [
            EventReject::ALL.iter().map(|reason| reason.label()).collect::<Vec<_>>(),
            ReadingReject::ALL.iter().map(|reason| reason.label()).collect(),
            RowReject::ALL.iter().map(|reason| reason.label()).collect(),
            RetireCause::ALL.iter().map(|cause| cause.label()).collect(),
        ] {
            for label in &labels {
                assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
                assert_eq!(labels.iter().filter(|other| *other == label).count(), 1);
            }
        }
    }
}
