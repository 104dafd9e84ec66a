//! Looks at a session in the world: whether the rows shown are the world's, and whether all is well in the end.

use std::collections::BTreeMap;

use super::*;
use crate::ingest::link::Status;

impl Carrier {
    /// Once every session has told all it knows, what is shown is the world: after a snapshot
    /// is complete, and all the time while another session is to take over.
    pub(super) fn check_rows(&mut self) {
        let up = Slot::ALL.into_iter().filter(|slot| self.session.link(*slot).is_up());
        let sockets: Vec<usize> = up.filter_map(|slot| self.ways[slot as usize].socket).collect();
        let taking_over = sockets.len() == 2;
        let complete = self.pipeline.is_snapshot_complete() || taking_over && self.other_complete;
        let ready = complete && !sockets.is_empty();
        if !ready
            || !sockets.iter().all(|id| self.world.has_delivered(*id))
            || !std::mem::take(&mut self.changed)
        {
            return;
        }
        self.seen.looks += 1;
        self.seen.looks_taking_over += u32::from(taking_over);
        let rows = self.rows();
        assert!(rows == self.world.rows, "rows that are not the world's, {}", self.describe());
    }

    /// What is wrong, if something is.
    pub(in super::super) fn fault(&self) -> Option<&'static str> {
        let current = &self.ways[self.session.current as usize];
        let is_active = |id: usize| {
            let subscription = &self.world.subscriptions[id];
            !subscription.gone && subscription.status(self.world.now) == Status::Active
        };
        let is_ours = |id: &usize| self.ways.iter().any(|way| way.subscription == Some(*id));
        let is_leaked = |id: &usize| {
            let subscription = &self.world.subscriptions[*id];
            !subscription.gone && !subscription.given_up && !is_ours(id)
        };
        if !self.session.is_up() {
            Some("the session is not up")
        } else if self.session.taking_over
            || self.ways[self.session.current.other() as usize].socket.is_some()
        {
            Some("two links are left")
        } else if !self.pipeline.is_snapshot_complete() {
            Some("the snapshot is not complete")
        } else if !current.subscription.is_some_and(is_active) {
            Some("the subscription is not active")
        } else if (0..self.world.subscriptions.len()).any(|id| is_leaked(&id)) {
            Some("a subscription is leaked")
        } else if self.rows() != self.world.rows {
            Some("the rows are others")
        } else {
            None
        }
    }

    /// The rows shown, queues with their values.
    fn rows(&self) -> BTreeMap<u64, u64> {
        let table = read_table(&self.table);
        let queue = |text: &str| {
            let (_, rest) = text.split_once(r#"queue_id=""#).unwrap();
            rest.split_once('"').unwrap().0.parse().unwrap()
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
        let value = |id| table.cell(id, 0) as u64;
        table.shown().map(|(id, row)| (queue(&row.face.text), value(id))).collect()
    }

    pub(in super::super) fn describe(&self) -> String {
        let World { subscriptions, rows, .. } = &self.world;
        let Self { session, ways, .. } = self;
        format!("{session:?}\n{ways:?}\n{subscriptions:?}\nrows {:?}\nnot {rows:?}", self.rows())
    }
}
