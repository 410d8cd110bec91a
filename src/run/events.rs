//! What a run tells while it goes on, and how it is stopped.

use super::event_log::EventLog;
use super::time_left::{TimeLeft, WorkKind};
use crate::store::RunRow;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// What is yet to be trained was counted. Comes once, before anything is computed.
    Planned {
        /// Samples over all trainings, their epochs and replicas.
        samples: u64,
    },
    /// A cohort begins its step: what it does, in words.
    Begun(&'e str),
    /// How far the trainings have come. Comes a few times a second.
    Progress {
        /// Samples trained so far.
        done: u64,
        /// Of so many: what was planned, and what turned out to be needed besides.
        samples: u64,
        /// Seconds that the rest will take, by how fast it has gone so far; `None` before anything was trained.
        seconds_left: Option<f64>,
    },
    /// A run is finished, in this call or in an earlier one.
    Finished(&'e RunRow),
    /// A run ended without a result, in this call or in an earlier one; [`RunRow::failure`] says why.
    Failed(&'e RunRow),
    /// How long each kernel of the first training takes, in words, where the options ask for it.
    Profile(&'e str),
    /// Something to know, in words.
    Note(&'e str),
    /// Something that may be wrong, in words.
    Warning(&'e str),
}

/// Stops a run from any thread, between two submissions to the GPU: the run ends with [`RunError::Interrupted`](super::RunError),
/// and goes on from there when it is executed again. Clones stop the same run.
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<AtomicBool>);

impl StopToken {
    /// A token that stops nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the run was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Tells of a run, and counts its progress.
pub(super) struct Reporter<'e> {
    tell: &'e mut dyn FnMut(Event<'_>),
    log: Option<EventLog>,
    /// Samples of finished stages.
    done: u64,
    /// Samples in all.
    samples: u64,
    /// Samples of the current stage that an earlier call trained on.
    before: u64,
    time_left: TimeLeft,
}

impl<'e> Reporter<'e> {
    pub fn new(tell: &'e mut dyn FnMut(Event<'_>)) -> Self {
        Self {
            tell,
            log: None,
            done: 0,
            samples: 0,
            before: 0,
            time_left: TimeLeft::default(),
        }
    }

    pub fn tell(&mut self, event: Event<'_>) {
        (self.tell)(event);
    }

    /// Writes a log in a run folder from now on.
    pub fn open_log(&mut self, dir: &Path) {
        self.log = EventLog::open(dir);
    }

    /// Writes a line into the log; see docs/events.md.
    pub fn log(&mut self, event: &str, fields: Value) {
        if let Some(log) = &mut self.log {
            log.write(event, fields);
        }
    }

    pub fn note(&mut self, text: &str) {
        self.tell(Event::Note(text));
    }

    pub fn warn(&mut self, text: &str) {
        self.log("warning", json!({ "text": text }));
        self.tell(Event::Warning(text));
    }

    /// So many samples are to be trained.
    pub fn plan(&mut self, samples: u64) {
        self.samples = samples;
        self.tell(Event::Planned { samples });
    }

    /// More samples are to be trained than was known.
    pub fn lengthen(&mut self, samples: u64) {
        self.samples += samples;
    }

    /// Some samples that were planned are not to be trained.
    pub fn shorten(&mut self, samples: u64) {
        self.samples = self.samples.saturating_sub(samples);
    }

    /// An earlier call has trained on so many samples of the current stage: they are no work of this one.
    pub fn resume_at(&mut self, samples: u64) {
        self.before = samples;
        self.shorten(samples);
    }

    /// A stage of so many samples begins, and `rest` comes after it.
    pub fn begin_stage(&mut self, kind: WorkKind, samples: u64, rest: BTreeMap<WorkKind, u64>) {
        let samples = samples.saturating_sub(self.before);
        self.time_left.begin(kind, samples, rest);
    }

    /// Seconds that the rest will take, `samples` of the current stage done.
    pub fn seconds_left(&self, samples: u64) -> Option<f64> {
        self.time_left.seconds(samples.saturating_sub(self.before))
    }

    /// `samples` of the current stage are done, counted from its start.
    pub fn within(&mut self, samples: u64) {
        self.tell(Event::Progress {
            done: self.done + samples.saturating_sub(self.before),
            samples: self.samples,
            seconds_left: self.seconds_left(samples),
        });
    }

    /// The current stage is over; it was `samples` long.
    pub fn finish_stage(&mut self, samples: u64) {
        self.within(samples);
        let done = samples.saturating_sub(self.before);
        self.time_left.finish(done);
        self.done += done;
        self.before = 0;
    }
}
