//! The faults that wait for a request or a socket they fit. At most [`FAULTS_MAX`]; one more is refused.

use std::time::Duration;

use serde_json::Value;

use super::{
    fault::{Fault, FaultError},
    operation::Operation,
};

/// Faults that may wait at a time: more than any test needs.
pub(super) const FAULTS_MAX: usize = 256;

/// The faults that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: Vec<(Fault, Option<u32>)>,
}

/// What is to go wrong with one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    /// An [`Fault::Answer`] or [`Fault::DropAnswer`].
    pub(super) instead: Option<Fault>,
    /// Places to change and what to put there.
    pub(super) rewrites: Vec<(String, Option<Value>)>,
}

impl Faults {
    /// Lets a fault wait.
    pub(super) fn add(&mut self, fault: Fault) -> Result<(), FaultError> {
        if self.waiting.len() >= FAULTS_MAX {
            return Err(FaultError::TooMany);
        }
        let times = fault.times();
        if times != Some(0) {
            self.waiting.push((fault, times));
        }
        Ok(())
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The faults that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Fault> {
        self.waiting.iter().map(|(fault, _)| fault)
    }

    /// Uses the oldest fault that fits.
    pub(super) fn take(&mut self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let place = self.waiting.iter().position(|(fault, _)| fits(fault))?;
        let (fault, left) = self.waiting.get_mut(place)?;
        let taken = fault.clone();
        match left {
            Some(1) => drop(self.waiting.remove(place)),
            Some(left) => *left -= 1,
            None => {}
        }
        Some(taken)
    }

    /// Uses what is to go wrong with a request: one delay, one answer, every rewrite of another place.
    pub(super) fn plan(&mut self, operation: Operation) -> Plan {
        let mut plan = Plan::default();
        let mine = |fault: &Fault| fault.operation() == Some(operation);
        if let Some(Fault::Delay { seconds, .. }) =
            self.take(|fault| mine(fault) && matches!(fault, Fault::Delay { .. }))
        {
            plan.delay = Duration::from_secs_f64(seconds);
        }
        plan.instead = self
            .take(|fault| mine(fault) && matches!(fault, Fault::Answer { .. } | Fault::DropAnswer { .. }));
        while let Some(Fault::Rewrite { pointer, value, .. }) = self.take(|fault| {
            let Fault::Rewrite { pointer, .. } = fault else {
                return false;
            };
            mine(fault) && !plan.rewrites.iter().any(|(taken, _)| taken == pointer)
        }) {
            plan.rewrites.push((pointer, value));
        }
        plan
    }
}
