//! Why a line was refused, for people and for the summary's counts.

use crate::ingest::discovery::PRODUCERS_MAX;
use crate::ingest::roster::Stranger;
use crate::reject::EventReject;

/// Why a line was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Longer than `limits.frame_bytes`.
    TooLong,
    /// Not UTF-8, which JSON is.
    NotUtf8,
    /// The event does not say whose it is, and the configuration leaves it open.
    NoProducer,
    /// There is no pipeline for its producer.
    Stranger(Stranger),
    /// The event was refused as on a feed.
    Event(EventReject),
}

impl Refusal {
    /// The reason as one word, as those of the exporter's metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotUtf8 => "not_utf8",
            Self::NoProducer => "no_producer",
            Self::Stranger(Stranger::NotConfigured) => "not_configured",
            Self::Stranger(Stranger::Unusable) => "bad_producer",
            Self::Stranger(Stranger::TooMany) => "too_many_producers",
            Self::Event(reject) => reject.label(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::TooLong => "Longer than limits.frame_bytes",
            Self::NotUtf8 => "Not UTF-8",
            Self::NoProducer => {
                "measureProducerId is missing, and the configuration does not name a single [[producer]]"
            }
            Self::Stranger(Stranger::NotConfigured) => {
                "The configuration has [[producer]] blocks, but none of this measureProducerId"
            }
            Self::Stranger(Stranger::Unusable) => {
                "measureProducerId is longer than AXP's are, or not of plain characters"
            }
            Self::Stranger(Stranger::TooMany) => {
                return write!(formatter, "More than {PRODUCERS_MAX} producers; [[producer]] blocks choose");
            }
            Self::Event(EventReject::RowRefused) => {
                "The row cannot be shown: its labels are another row's, two of its keys are one label, or \
                 limits.series rows are held"
            }
            Self::Event(reject) => reject.words(),
        })
    }
}
