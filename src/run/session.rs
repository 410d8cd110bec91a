//! One execution: what it works with, what lies on disk, what is ready, and what has been measured.

use super::collapse::watch_collapse;
use super::error::RunError;
use super::events::{Event, Reporter};
use super::failure::{divergence, whose};
use super::ledger::Ledger;
use super::numerical_version::NUMERICAL_VERSION;
use super::results::Results;
use super::schedule::{NextError, StageQueue};
use super::setup::Setup;
use super::stages::Stages;
use crate::store::{Claims, StoreError};
use crate::train::ResidentDataset;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

/// How often another process's work is looked for.
const POLL: Duration = Duration::from_millis(200);
/// A wait that is shorter is not worth a word.
const PATIENCE: Duration = Duration::from_secs(2);

/// One execution.
pub(super) struct Session<'s> {
    pub(super) setup: &'s Setup<'s>,
    pub(super) stages: Stages<'s>,
    /// What this process computes, so that others do not.
    claims: Claims,
    pub(super) schedule: StageQueue<'s>,
    pub(super) ledger: Ledger<'s>,
    /// Datasets on the GPU.
    pub(super) resident: HashMap<String, ResidentDataset>,
    pub(super) reporter: Reporter<'s>,
    /// Whether the profile is yet to be told.
    pub(super) profile: bool,
}

impl<'s> Session<'s> {
    /// Opens the run folder, and waits while another process runs another version of the experiment there.
    ///
    /// # Errors
    /// As [`Setup::open_folder`].
    pub(super) fn new(setup: &'s Setup<'s>, mut reporter: Reporter<'s>) -> Result<Self, RunError> {
        let begun = Instant::now();
        let mut told = false;
        let stages = loop {
            match Stages::open(setup) {
                Err(RunError::Store(busy @ StoreError::Busy { .. })) => {
                    if setup.stop.is_stopped() {
                        return Err(RunError::Interrupted);
                    }
                    if !told && begun.elapsed() >= PATIENCE {
                        reporter.note(&format!("waiting: {busy}"));
                        told = true;
                    }
                    std::thread::sleep(POLL);
                }
                opened => break opened?,
            }
        };
        reporter.open_log(stages.folder.dir());
        Ok(Self {
            setup,
            claims: Claims::join(stages.folder.stages().dir())?,
            schedule: StageQueue::new(setup, &stages),
            stages,
            ledger: Ledger::new(setup),
            resident: HashMap::new(),
            reporter,
            profile: setup.options.profile,
        })
    }

    /// Computes what the store lacks, and logs how it ended.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) fn go(mut self) -> Result<Results, RunError> {
        let (facts, plan) = (&self.setup.facts, &self.setup.plan);
        let fields = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "experiment": self.setup.experiment.title,
            "adapter": facts.adapter,
            "driver": facts.driver,
            "runs": plan.runs.len(),
            "stages": plan.stages.len(),
            "samples": self.schedule.samples(),
        });
        self.reporter.log("start", fields);
        let computed = self.compute_all();
        let failed = self.ledger.failed();
        let fields = match &computed {
            Ok(_) => json!({ "outcome": "done", "failed_runs": failed }),
            Err(error) => json!({
                "outcome": if matches!(error, RunError::Interrupted) { "interrupted" } else { "error" },
                "error": error.to_string(),
                "failed_runs": failed,
            }),
        };
        self.reporter.log("end", fields);
        let resumed = computed?;
        Ok(Results {
            folder: self.stages.folder.dir().to_path_buf(),
            resumed,
            data: self.setup.data.clone(),
            peak_bytes: self.setup.gpu.peak(),
            rows: self.ledger.into_rows(),
        })
    }

    /// Computes what the store lacks and writes all tables and plots. Returns how many stages were there.
    fn compute_all(&mut self) -> Result<usize, RunError> {
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
        if let Some(earlier) = self.stages.folder.earlier_numbers() {
            self.reporter.warn(&format!(
                "the stages in {} were computed under version {earlier} of the numbers, and this is version {NUMERICAL_VERSION}: all are computed anew, the old ones stay until `secateur gc`",
                self.setup.options.out.display()
            ));
        }
        let resumed = self.resume()?;
        let mut waits = false;
        while !self.schedule.is_done() {
            if self.setup.stop.is_stopped() {
                return Err(RunError::Interrupted);
            }
            self.load_parents()?;
            let mut held = HashSet::new();
            let cohort = loop {
                let next = match self.schedule.next(&self.stages, &held) {
                    Ok(next) => next,
                    Err(NextError::TooLarge { stage, reason }) => {
                        self.fail(stage, &reason)?;
                        continue;
                    }
                    Err(NextError::Fatal(error)) => return Err(*error),
                };
                let mine = self.claim(&next, &mut held)?;
                if next.is_empty() || !mine.is_empty() {
                    break mine;
                }
            };
            if cohort.is_empty() {
                if !std::mem::replace(&mut waits, true) && !self.schedule.is_done() {
                    self.reporter
                        .note("waiting for stages that another process computes");
                }
                std::thread::sleep(POLL);
            } else {
                waits = false;
                self.compute_or_fail(&cohort)?;
                for &id in &cohort {
                    self.claims.release(&self.setup.plan.stages[id].digest);
                }
            }
            self.absorb()?;
        }
        self.ledger.complete_histories(&self.stages);
        if self.profile {
            let none = "no profile: every training was already in the run folder";
            self.reporter.tell(Event::Profile(none));
        }
        self.ledger.finish(&self.stages)?;
        Ok(resumed)
    }

    /// Those of a cohort that no other process computes, in this one's name from now on; the others are `held`. Quick steps, which have
    /// no file, are computed by everybody.
    fn claim(
        &mut self,
        cohort: &[usize],
        held: &mut HashSet<usize>,
    ) -> Result<Vec<usize>, RunError> {
        let mut mine = Vec::new();
        for &id in cohort {
            if !self.setup.is_kept_on_disk(id) {
                mine.push(id);
                continue;
            }
            let digest = &self.setup.plan.stages[id].digest;
            if !self.claims.take(digest)? {
                held.insert(id);
            } else if self.stages.is_saved(id) {
                // Somebody has finished it since it was last looked for.
                self.claims.release(digest);
                held.insert(id);
            } else {
                mine.push(id);
            }
        }
        Ok(mine)
    }

    /// Takes over what other processes have finished meanwhile.
    fn absorb(&mut self) -> Result<(), RunError> {
        let todo: Vec<usize> = self.schedule.todo().collect();
        let finished: Vec<usize> = todo
            .into_iter()
            .filter(|&id| self.stages.is_saved(id))
            .collect();
        if finished.is_empty() {
            return Ok(());
        }
        let before = self.schedule.samples();
        self.enter_saved(&finished)?;
        let left = self.schedule.samples();
        self.reporter.shorten(before.saturating_sub(left));
        self.ledger.write(&self.stages.folder)
    }

    /// Takes over what an earlier call left in the store: so many stages.
    fn resume(&mut self) -> Result<usize, RunError> {
        let all = self.setup.plan.stages.len();
        let there = |&id: &usize| self.stages.is_saved(id) || self.stages.has_record_alone(id);
        let saved: Vec<usize> = (0..all).filter(there).collect();
        if !saved.is_empty() {
            self.reporter.note(&format!(
                "{} of {all} stages are already in {}; going on from there",
                saved.len(),
                self.stages.folder.stages().dir().display()
            ));
        }
        self.enter_saved(&saved)?;
        self.ledger.write(&self.stages.folder)?;
        Ok(saved.len())
    }

    /// Takes over stages from the store, parents first. A damaged one is set aside, said aloud, and computed again.
    fn enter_saved(&mut self, saved: &[usize]) -> Result<(), RunError> {
        // As many at once as there are cores: what they hold is let go of before the next.
        for several in saved.chunks(rayon::current_num_threads()) {
            let (full, records): (Vec<usize>, Vec<usize>) =
                several.iter().partition(|&&id| self.stages.is_saved(id));
            let mut taken: BTreeMap<usize, Result<(), RunError>> = full
                .iter()
                .copied()
                .zip(self.stages.take_over_several(&full))
                .collect();
            for id in records {
                taken.insert(id, self.stages.take_over_record(id));
            }
            // Parents come before children, so the records of a whole history are there when its last stage is.
            for (id, taken) in taken {
                self.enter_taken(id, taken)?;
            }
        }
        let before = self.schedule.samples();
        let stages = &self.stages;
        self.schedule
            .refill(|id, starts_others| stages.is_known(id) && stages.is_there(id, starts_others));
        self.reporter
            .lengthen(self.schedule.samples().saturating_sub(before));
        for &id in saved {
            if let Some(parent) = self.setup.plan.stages[id].parent
                && self.schedule.dependants(&[parent]) == 0
            {
                self.stages.release(parent);
            }
        }
        Ok(())
    }

    /// Looks at a stage that was taken over. A damaged one is set aside.
    fn enter_taken(&mut self, id: usize, taken: Result<(), RunError>) -> Result<(), RunError> {
        match taken {
            Ok(()) => {}
            Err(
                error @ (RunError::Store(StoreError::Damaged { .. }) | RunError::Record { .. }),
            ) => {
                let to = self.stages.set_aside(id)?;
                self.reporter.warn(&format!(
                    "{error}\n  it is now {}, and its stage is computed again",
                    to.display()
                ));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        // The run may have gone on there when the stage was computed.
        self.score_missing(&[id])?;
        self.settle(id)?;
        if self.schedule.dependants(&[id]) == 0 {
            self.stages.release(id);
        }
        Ok(())
    }

    /// Brings back what stages start from that are yet to be computed, where it was let go of.
    fn load_parents(&mut self) -> Result<(), RunError> {
        let todo: Vec<usize> = self.schedule.todo().collect();
        for id in todo {
            if let Some(parent) = self.setup.plan.stages[id].parent
                && self.stages.is_known(parent)
                && self.stages.is_saved(parent)
                && self.stages.snapshot(parent).is_none()
            {
                self.stages.reload(parent)?;
            }
        }
        Ok(())
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
            let (setup, reporter) = (self.setup, &mut self.reporter);
            let whose = || whose(setup, id);
            if let Some(reason) = watch_collapse(on_collapse, stage, whose, left, reporter) {
                return self.fail(id, &reason);
            }
        }
        for row in self.ledger.enter(id, &self.stages)? {
            let fields = json!({ "run": row.run, "test_accuracy": row.test_accuracy });
            self.reporter.log("run", fields);
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
            let fields = json!({ "run": row.run, "failure": row.failure });
            self.reporter.log("failure", fields);
            self.reporter.tell(Event::Failed(row));
        }
        if self.setup.options.fail_fast {
            let reason = reason.to_owned();
            return Err(RunError::FailedFast { run: whose, reason });
        }
        Ok(())
    }
}
