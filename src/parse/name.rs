//! Names: AXP's camelCase into metric and label names.
//!
//! The result is always legal in both outputs: `[a-z_][a-z0-9_]*`, which is a subset of
//! the [Prometheus data model](https://prometheus.io/docs/concepts/data_model/).

/// Turns a name of AXP's into `snake_case`.
///
/// A `_` goes between a lower-case letter or digit and an upper-case letter, and between
/// an acronym and the capitalised word after it. Any other character becomes `_`, one for
/// each; a leading digit gets a `_` in front.
///
/// ```
/// use axp_exporter::parse::name::snake_case;
/// assert_eq!(snake_case("activeEngagementsInACW"), "active_engagements_in_acw");
/// assert_eq!(snake_case("ACWDuration"), "acw_duration");
/// ```
pub fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut characters = name.chars().peekable();
    let mut previous: Option<char> = None;
    while let Some(character) = characters.next() {
        if character.is_ascii_uppercase() {
            let word_starts = match previous {
                Some(before) if before.is_ascii_lowercase() || before.is_ascii_digit() => true,
                Some(before) if before.is_ascii_uppercase() => {
                    characters.peek().is_some_and(char::is_ascii_lowercase)
                }
                _ => false,
            };
            if word_starts {
                out.push('_');
            }
            out.push(character.to_ascii_lowercase());
        } else if character.is_ascii_alphanumeric() {
            if previous.is_none() && character.is_ascii_digit() {
                out.push('_');
            }
            out.push(character);
        } else {
            out.push('_');
        }
        previous = Some(character);
    }
    out
}

/// The stem of a producer's metrics: its id without the version, in `snake_case`.
///
/// ```
/// use axp_exporter::parse::name::producer_stem;
/// assert_eq!(producer_stem("Queue_itd_1.0.0"), "queue_itd");
/// ```
pub fn producer_stem(id: &str) -> String {
    let unversioned = match id.rsplit_once('_') {
        Some((stem, version)) if !stem.is_empty() && is_version(version) => stem,
        _ => id,
    };
    snake_case(unversioned)
}

fn is_version(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_snake_case() {
        for (name, expected) in [
            ("contactsQueueing", "contacts_queueing"),
            ("activeEngagementsInACW", "active_engagements_in_acw"),
            ("ACWDuration", "acw_duration"),
            ("Answered", "answered"),
            ("agentNRReasonCode", "agent_nr_reason_code"),
            ("level2Answered", "level2_answered"),
            ("already_snake", "already_snake"),
            ("with_Capital", "with_capital"),
            ("with-dash.and space", "with_dash_and_space"),
            ("2ndLine", "_2nd_line"),
            ("äöü", "___"),
            ("A", "a"),
            ("", ""),
        ] {
            assert_eq!(snake_case(name), expected, "{name}");
        }
    }

    #[test]
    fn a_stem_is_the_id_without_its_version() {
        for (id, stem) in [
            ("Queue_itd_1.0.0", "queue_itd"),
            ("AgentByChannel_itd_1.0.0", "agent_by_channel_itd"),
            ("DialogDetail_cdr_1", "dialog_detail_cdr"),
            ("Plain", "plain"),
            ("Queue_itd_1.x", "queue_itd_1_x"),
            ("_1.0.0", "_1_0_0"),
        ] {
            assert_eq!(producer_stem(id), stem, "{id}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_legal(name in "\\PC{1,40}") {
            let snake = snake_case(&name);
            let mut bytes = snake.bytes();
            let first = bytes.next().unwrap();
            prop_assert!(first.is_ascii_lowercase() || first == b'_');
            prop_assert!(bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
        }
    }
}
