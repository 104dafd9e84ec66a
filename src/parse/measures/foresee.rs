//! What measures will be, said before any value of them is seen.

use super::{Measures, refusal};
use crate::config::Kind;
use crate::parse::measure::{Measure, Verdict};
use crate::reject::ReadingReject;

/// First values that tell apart whatever a first value decides: the likeliest, which the
/// name is settled by, then a number and a flag.
const FIRST_VALUES: [&str; 3] = ["text", "0", "true"];

impl Measures {
    /// A measure as the likeliest first value would settle it, with every kind that its
    /// first value may still make of it: a single one, where rule, dictionary or table say.
    ///
    /// This claims the measure's name, so it is not for the measures of a feed.
    ///
    /// # Errors
    /// Why there can be no such measure.
    pub fn foresee(&mut self, name: &str) -> Result<(&Measure, Vec<Kind>), ReadingReject> {
        let id = match self.by_name.get(name) {
            Some(id) => *id,
            None => self.add(name).ok_or_else(|| refusal(name))?,
        };
        let mut kinds = FIRST_VALUES.map(|value| self.kind(name, self.infer(name, value)).0).to_vec();
        kinds.dedup();
        if self.get(id).is_some_and(|measure| measure.kind.is_none() && measure.verdict != Verdict::Denied) {
            let [likeliest, ..] = FIRST_VALUES;
            self.settle(id, likeliest);
        }
        self.get(id).map(|measure| (measure, kinds)).ok_or_else(|| refusal(name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{MeasureRule, Personal, Producer};
    use crate::parse::measure::{AxpType, Definition, Dictionary};
    use crate::parse::measures::MEASURES_MAX;
    use crate::parse::privacy::Privacy;

    fn measures(settings: Producer) -> Measures {
        let settings = Producer { id: "Queue_itd_1.0.0".to_owned(), ..settings };
        Measures::new(settings, Privacy::new(Personal::Drop, &[], None), Arc::default(), 1024)
    }

    fn foreseen(measures: &mut Measures, name: &str) -> (Verdict, String, Vec<Kind>) {
        let (measure, kinds) = measures.foresee(name).unwrap();
        (measure.verdict, measure.field.to_string(), kinds)
    }

    #[test]
    fn what_nothing_but_a_value_can_decide_is_said_to_be_open() {
        let mut measures = measures(Producer::default());
        let string = Definition { axp_type: AxpType::String, description: String::new() };
        measures.set_dictionary(Dictionary::from([
            ("queueName".to_owned(), string.clone()),
            ("agentState".to_owned(), string),
        ]));
        for (name, field, kinds) in [
            ("queueName", "queue_name", &[Kind::Text, Kind::Boolean][..]),
            ("agentState", "agent_state", &[Kind::State]),
            ("offered", "offered", &[Kind::Text, Kind::Number, Kind::Boolean]),
            ("holdDuration", "hold_duration_seconds", &[Kind::Duration]),
        ] {
            let expected = (Verdict::Exported, field.to_owned(), kinds.to_vec());
            assert_eq!(foreseen(&mut measures, name), expected, "{name}");
            assert_eq!(foreseen(&mut measures, name), expected, "{name} again");
        }
    }

    #[test]
    fn rules_denials_and_collisions_are_foreseen() {
        let rule = MeasureRule {
            name: "wait".to_owned(),
            kind: Some(Kind::Duration),
            rename: "waiting".to_owned(),
            ..MeasureRule::default()
        };
        let deny = vec!["secret*".to_owned()];
        let mut measures = measures(Producer { measure: vec![rule], deny, ..Producer::default() });
        for (name, verdict, field) in [
            ("wait", Verdict::Exported, "waiting_seconds"),
            ("secretCount", Verdict::Denied, ""),
            ("agentLoginId", Verdict::Denied, ""),
            ("Answered", Verdict::Exported, "answered"),
            ("answered", Verdict::Refused(ReadingReject::NameCollision), "answered"),
        ] {
            let (found, found_field, _) = foreseen(&mut measures, name);
            assert_eq!((found, found_field.as_str()), (verdict, field), "{name}");
        }
    }

    #[test]
    fn there_is_no_measure_without_a_name_nor_past_the_most() {
        let mut measures = measures(Producer::default());
        assert_eq!(measures.foresee("").unwrap_err(), ReadingReject::BadName);
        for index in 0..MEASURES_MAX {
            assert!(measures.foresee(&format!("m{index}")).is_ok());
        }
        assert_eq!(measures.foresee("late").unwrap_err(), ReadingReject::TooManyMeasures);
    }
}
