//! One execution: what it works with, what lies on disk, what is ready, and what has been measured.

use super::collapse::watch_collapse;
use super::error::RunError;
use super::events::{Event, Reporter};
use super::failure::{divergence, whose};
use super::ledger::Ledger;
use super::results::Results;
use super::schedule::{NextError, StageQueue};
use super::setup::Setup;
use super::stages::Stages;
use crate::train::ResidentDataset;
use std::collections::HashMap;

/// One execution.
pub(super) struct Session<'s> {
    pub(super) setup: &'s Setup<'s>,
    pub(super) stages: Stages<'s>,
    pub(super) schedule: StageQueue<'s>,
    pub(super) ledger: Ledger<'s>,
    /// Datasets on the GPU.
    pub(super) resident: HashMap<String, ResidentDataset>,
    pub(super) reporter: Reporter<'s>,
    /// Whether the profile is yet to be told.
    pub(super) profile: bool,
}

impl<'s> Session<'s> {
    /// Opens the run folder.
    ///
    /// # Errors
    /// As [`Setup::open_folder`].
    pub(super) fn new(setup: &'s Setup<'s>, reporter: Reporter<'s>) -> Result<Self, RunError> {
        let stages = Stages::open(setup)?;
        Ok(Self {
            setup,
            schedule: StageQueue::new(setup, &stages),
            stages,
            ledger: Ledger::new(setup),
            resident: HashMap::new(),
            reporter,
            profile: setup.options.profile,
        })
    }

    /// Computes what the run folder lacks.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) fn go(mut self) -> Result<Results, RunError> {
        self.reporter.plan(self.schedule.samples());
        if let Some(warning) = self.stages.folder.warning() {
            self.reporter.warn(warning);
        }
        for name in self.stages.folder.changed_data() {
            self.reporter.warn(&format!(
                "the data of `{name}` is not what it was when {} was last written: what reads it is computed anew",
                self.setup.options.out.display()
            ));
        }
        let resumed = self.resume()?;
        while !self.schedule.is_done() {
            if self.setup.stop.is_stopped() {
                return Err(RunError::Interrupted);
            }
            match self.schedule.next(&self.stages) {
                Ok(cohort) => self.compute_or_fail(&cohort)?,
                Err(NextError::TooLarge { stage, reason }) => self.fail(stage, &reason)?,
                Err(NextError::Fatal(error)) => return Err(error),
            }
        }
        self.ledger.complete_histories(&self.stages);
        if self.profile {
            self.reporter
                .note("no profile: every training was already in the run folder");
        }
        Ok(Results {
            rows: self.ledger.finish(&self.stages)?,
            folder: self.stages.folder.dir().to_path_buf(),
            resumed,
            data: self.setup.data.clone(),
            peak_bytes: self.setup.gpu.peak(),
        })
    }

    /// Takes over what an earlier call left in the run folder: so many stages.
    fn resume(&mut self) -> Result<usize, RunError> {
        let all = self.setup.plan.stages.len();
        let saved: Vec<usize> = (0..all).filter(|&id| self.stages.is_saved(id)).collect();
        if !saved.is_empty() {
            self.reporter.note(&format!(
                "{} of {all} stages are already in {}; going on from there",
                saved.len(),
                self.setup.options.out.display()
            ));
        }
        // Parents come before children, so the records of a whole history are there when its last stage is.
        for &id in &saved {
            self.stages.take_over(id)?;
            // The run may have gone on there when the stage was computed.
            self.score_missing(&[id])?;
            self.settle(id)?;
            if self.schedule.dependants(&[id]) == 0 {
                self.stages.release(id);
            }
        }
        self.ledger.write(&self.stages.folder)?;
        Ok(saved.len())
    }

    /// Looks at what a stage left, and enters the runs that it ends: with a result, or as failed.
    pub(super) fn settle(&mut self, id: usize) -> Result<(), RunError> {
        if let Some(reason) = self.stages.record(id).and_then(divergence) {
            return self.fail(id, &reason);
        }
        let model = self.stages.model_after(id)?;
        if let Some(snapshot) = self.stages.snapshot(id) {
            let stage = &self.setup.plan.stages[id];
            let on_collapse = self.setup.experiment.on_collapse;
            let left = (&**snapshot, &*model);
            let whose = whose(self.setup, id);
            let reporter = &mut self.reporter;
            if let Some(reason) = watch_collapse(on_collapse, stage, &whose, left, reporter) {
                return self.fail(id, &reason);
            }
        }
        for row in self.ledger.enter(id, &self.stages)? {
            self.reporter.tell(Event::Finished(row));
        }
        Ok(())
    }

    /// Ends the runs that a stage belongs to without a result; the others go on.
    ///
    /// # Errors
    /// [`RunError::FailedFast`], or the disk refused.
    pub(super) fn fail(&mut self, id: usize, reason: &str) -> Result<(), RunError> {
        let whose = whose(self.setup, id);
        let samples = self.schedule.strike_history(id);
        self.reporter.shorten(samples);
        let failed = self.ledger.fail(id, reason, &self.stages)?;
        if failed.is_empty() {
            return Ok(());
        }
        let (runs, have) = match failed.len() {
            1 => ("run", "has"),
            _ => ("runs", "have"),
        };
        self.reporter.warn(&format!(
            "{whose}: {reason}. {} {runs} {have} no result; the others go on.",
            failed.len()
        ));
        for row in failed {
            self.reporter.tell(Event::Failed(row));
        }
        if self.setup.options.fail_fast {
            let reason = reason.to_owned();
            return Err(RunError::FailedFast { run: whose, reason });
        }
        Ok(())
    }
}
