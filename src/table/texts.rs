//! The texts that rows hold, each kept once however many rows hold it.
//!
//! A status is the same text in thousands of rows. A row keeps its id, in a cell like any other
//! value, and an event that brings the same text again compares it with one that is at hand.
//! Bounded by the cells that hold ids.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A text's place; given to another text after nobody holds it.
pub type TextId = u32;

/// A text that some row holds.
#[derive(Debug)]
struct Entry {
    text: Box<str>,
    holders: usize,
}

/// All texts that rows hold.
#[derive(Debug, Default)]
pub struct Texts {
    list: Vec<Entry>,
    free: Vec<TextId>,
    by_text: HashTable<TextId>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    /// A text by its id.
    pub fn get(&self, id: TextId) -> &str {
        self.list.get(id as usize).map_or("", |entry| &entry.text)
    }

    /// Notes one more holder of a text.
    pub fn hold(&mut self, text: &str) -> TextId {
        let Self { list, free, by_text, hasher } = self;
        let known = |id: TextId| list.get(id as usize).map_or("", |entry| &*entry.text);
        if let Some(id) = by_text.find(hasher.hash_one(text), |id| known(*id) == text).copied() {
            if let Some(entry) = list.get_mut(id as usize) {
                entry.holders += 1;
            }
            return id;
        }
        let entry = Entry { text: text.into(), holders: 1 };
        let id = if let Some(id) = free.pop() {
            if let Some(place) = list.get_mut(id as usize) {
                *place = entry;
            }
            id
        } else {
            list.push(entry);
            TextId::try_from(list.len() - 1).unwrap_or(TextId::MAX)
        };
        let known = |id: TextId| list.get(id as usize).map_or("", |entry| &*entry.text);
        by_text.insert_unique(hasher.hash_one(text), id, |id| hasher.hash_one(known(*id)));
        id
    }

    /// Notes one holder less; a text without any goes.
    pub fn release(&mut self, id: TextId) {
        let Some(entry) = self.list.get_mut(id as usize) else { return };
        entry.holders -= 1;
        if entry.holders == 0 {
            let text = std::mem::take(&mut entry.text);
            if let Ok(entry) = self.by_text.find_entry(self.hasher.hash_one(&*text), |other| *other == id) {
                entry.remove();
            }
            self.free.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_for_as_long_as_it_is_held() {
        let mut texts = Texts::default();
        let (live, away) = (texts.hold("Live"), texts.hold("Away"));
        assert_eq!(texts.hold("Live"), live);
        assert_ne!(live, away);
        texts.release(live);
        assert_eq!(texts.get(live), "Live");
        texts.release(live);
        assert_eq!(texts.hold("Lunch"), live, "its place is free");
        assert_eq!((texts.get(live), texts.get(away)), ("Lunch", "Away"));
        assert_eq!((texts.list.len(), texts.by_text.len()), (2, 2));
    }
}
