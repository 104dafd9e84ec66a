//! What is known of the contact centre now: the rows of each producer. Everything a
//! scrape shows is read from here. No I/O, no clock.

pub mod column;
pub mod order;
pub mod pick;
pub mod places;
pub mod row;
pub mod rows;
pub mod snapshot;
pub mod texts;
pub mod view;
