//! A track: one producer of a recording, with the pipeline that is told again.

use std::sync::Arc;
use std::time::Instant;

use super::record::Told;
use crate::config::Producer;
use crate::ingest::feeds::{FeedState, Request, Requests};
use crate::ingest::report::FeedReport;
use crate::ingest::session::Reason;
use crate::pipeline::{Blueprint, LineOutput, Moment, Pipeline};
use crate::telemetry::{self, Telemetry};

/// One producer.
#[derive(Debug)]
pub(super) struct Track {
    pipeline: Pipeline,
    state: Arc<FeedState>,
    requests: Requests,
    metrics: telemetry::Feed,
}

impl Track {
    /// A producer whose pipeline was told nothing yet, and how it stands for the others.
    pub(super) fn new(
        producer: Producer,
        blueprint: &Blueprint,
        outputs: Vec<LineOutput>,
        telemetry: &Telemetry,
    ) -> (Self, Arc<FeedState>) {
        let id = producer.id.clone();
        let metrics = telemetry.feed(&id);
        let (pipeline, table) = blueprint.pipeline(producer, outputs, telemetry.pipeline(&id));
        let (state, requests) = FeedState::new(id, table);
        let state = Arc::new(state);
        (Self { pipeline, state: Arc::clone(&state), requests, metrics }, state)
    }

    /// When time alone does something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pipeline.deadline()
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Instant) {
        self.pipeline.tick(now);
        self.note_snapshot();
    }

    /// Tells it; whether an event was applied, if it was one.
    pub(super) fn tell(&mut self, told: &Told<'_>, now: Moment) -> Option<bool> {
        let Self { pipeline, metrics, .. } = self;
        let mut applied = None;
        match told {
            Told::Event(event) => applied = Some(pipeline.apply(event, now).is_ok()),
            Told::Outgoing(event) => applied = Some(pipeline.apply_outgoing(event, now).is_ok()),
            Told::Refused(reject) => {
                pipeline.refuse(*reject, now);
                applied = Some(false);
            }
            Told::Dictionary(dictionary) => pipeline.set_dictionary(dictionary.clone().into_owned(), now),
            Told::Authenticated => {
                pipeline.session_opened(now);
                metrics.up.set(1);
            }
            Told::Empty => pipeline.accept_empty(now),
            Told::Lost => {
                pipeline.session_lost(now);
                metrics.up.set(0);
            }
            Told::HandedBack => pipeline.session_handed_back(now),
            Told::OutgoingEnded => pipeline.outgoing_ended(now),
            Told::Postponed(time) => pipeline.postpone(*time, now),
            Told::Closed(reason) => {
                if let Some(known) = Reason::ALL.into_iter().find(|known| known.label() == reason) {
                    metrics.reconnect(known);
                }
            }
            Told::Producer | Told::Opened => {}
        }
        self.note_snapshot();
        applied
    }

    /// Its sessions are over, though nothing says so.
    pub(super) fn lose(&mut self, now: Moment) {
        self.pipeline.outgoing_ended(now);
        self.tell(&Told::Lost, now);
    }

    /// Answers who asked how it stands.
    pub(super) fn answer(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            // There is nothing to go on with after a pause.
            if let Request::Report(answer) = request {
                let _ = answer.send(self.report());
            }
        }
    }

    fn report(&self) -> FeedReport {
        let Self { pipeline, metrics, .. } = self;
        FeedReport {
            state: if metrics.up.get() == 1 { "up" } else { "off" },
            waits_until: None,
            taking_over: false,
            snapshot_complete: pipeline.shows_complete(),
            last_event_at: pipeline.last_event_at(),
            ping_seconds: None,
            subscription_expires_at: None,
            setback: None,
            reconnects: metrics.reconnects().collect(),
            pipeline: pipeline.report(),
        }
    }

    fn note_snapshot(&self) {
        if self.pipeline.is_snapshot_complete() {
            self.state.note_snapshot();
        }
    }
}
