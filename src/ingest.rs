//! Where events come from: the session with AXP, and the frame read in place.

pub mod event;
