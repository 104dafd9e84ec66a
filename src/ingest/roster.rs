//! The roster: who is kept for which producer, where events of many producers come in one stream.
//!
//! Where the configuration has `[[producer]]` blocks there are these and no others; else those that turn
//! up, at most [`PRODUCERS_MAX`], however many a stream may name.

use super::discovery::{PRODUCERS_MAX, is_usable};
use crate::config::Producer;

/// What is kept for each producer.
#[derive(Debug)]
pub(crate) struct Roster<T> {
    members: Vec<(String, T)>,
    is_configured: bool,
    /// Who was found last: most often the next event is for the same.
    last: usize,
}

/// Why there is nobody for a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The configuration has `[[producer]]` blocks, and none of it.
    NotConfigured,
    /// Its id cannot be one.
    Unusable,
    /// There are as many as can be.
    TooMany,
}

impl<T> Roster<T> {
    /// A roster of the configured producers, in their order, which decides whose a name is.
    pub(crate) fn new(configured: &[Producer], make: impl Fn(Producer) -> T) -> Self {
        let member = |producer: &Producer| (producer.id.clone(), make(producer.clone()));
        let members: Vec<_> = configured.iter().map(member).collect();
        Self { is_configured: !members.is_empty(), members, last: 0 }
    }

    /// Who is kept for the producer of this id; made if there is to be one.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn find(&mut self, id: &str, make: impl FnOnce(Producer) -> T) -> Result<&mut T, Stranger> {
        let is_it = |(known, _): &(String, T)| known == id;
        if !self.members.get(self.last).is_some_and(is_it) {
            let known = self.members.iter().position(is_it);
            if known.is_none() {
                self.admit(id)?;
                let producer = Producer { id: id.to_owned(), ..Producer::default() };
                self.members.push((id.to_owned(), make(producer)));
            }
            self.last = known.unwrap_or(self.members.len() - 1);
        }
        #[expect(clippy::indexing_slicing, reason = "it was found at this place, or put there")]
        Ok(&mut self.members[self.last].1)
    }

    /// Whether there may be one more.
    fn admit(&self, id: &str) -> Result<(), Stranger> {
        if self.is_configured {
            Err(Stranger::NotConfigured)
        } else if !is_usable(id) {
            Err(Stranger::Unusable)
        } else if self.members.len() == PRODUCERS_MAX {
            Err(Stranger::TooMany)
        } else {
            Ok(())
        }
    }

    /// All of them, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.members.iter().map(|(_, member)| member)
    }

    /// The same, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.members.iter_mut().map(|(_, member)| member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(roster: &mut Roster<String>, id: &str) -> Result<String, Stranger> {
        roster.find(id, |producer| format!("new {}", producer.id)).cloned()
    }

    #[test]
    fn whoever_turns_up_is_kept_once_up_to_a_bound() {
        let mut roster = Roster::new(&[], |producer| producer.id);
        for _ in 0..2 {
            for number in 0..PRODUCERS_MAX {
                assert_eq!(find(&mut roster, &format!("P{number}")), Ok(format!("new P{number}")));
            }
            assert_eq!(find(&mut roster, "one more"), Err(Stranger::Unusable));
            assert_eq!(find(&mut roster, "more"), Err(Stranger::TooMany));
        }
        assert_eq!(roster.iter().count(), PRODUCERS_MAX);
    }

    #[test]
    fn where_producers_are_configured_there_are_no_others() {
        let named = |id: &str| Producer { id: id.to_owned(), name: "n".to_owned(), ..Producer::default() };
        let mut roster = Roster::new(&[named("B"), named("A")], |producer| producer.id + &producer.name);
        assert_eq!(find(&mut roster, "A"), Ok("An".to_owned()));
        assert_eq!(find(&mut roster, "C"), Err(Stranger::NotConfigured));
        assert_eq!(find(&mut roster, "B"), Ok("Bn".to_owned()), "the stranger has spoilt nothing");
        assert!(roster.iter_mut().eq(["Bn", "An"]));
    }
}
