//! The computation of a cohort.

use super::budget::as_it_runs;
use super::checkpoint::{Saver, checkpoint};
use super::compaction::compact;
use super::error::RunError;
use super::events::Event;
use super::failure::{divergence, own_failure, replica_of, whose};
use super::outcome::Outcome;
use super::place::RunContext;
use super::score::score;
use super::session::Session;
use super::setup::Setup;
use super::speed::measure_speed;
use super::steps::{StepStart, execute};
use super::training::profile;
use crate::bench::breakdown_text;
use crate::experiment::{Stage, Step};
use crate::spec::TrainSpec;
use crate::store::TimeRow;
use crate::train::{ResidentDataset, Snapshot};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

impl Session<'_> {
    /// Computes a cohort. An error that is one replica's own ends its runs alone: the others are computed without it, with the same bits.
    ///
    /// # Errors
    /// What ends all runs; see [`RunError`].
    pub(super) fn compute_or_fail(&mut self, cohort: &[usize]) -> Result<(), RunError> {
        let Err(error) = self.compute(cohort) else {
            return Ok(());
        };
        let Some(reason) = own_failure(&error) else {
            return Err(error);
        };
        let failed = match (replica_of(&error), cohort) {
            (Some(replica), _) => cohort.get(replica).copied(),
            (None, [alone]) => Some(*alone),
            (None, _) => None,
        };
        match failed {
            Some(id) => {
                self.fail(id, &reason)?;
                self.ledger.write(&self.stages.folder)
            }
            None => cohort
                .iter()
                .try_for_each(|&id| self.compute_or_fail(&[id])),
        }
    }

    /// Computes a cohort, saves it, and writes the rows of the runs it ends.
    ///
    /// # Errors
    /// See [`RunError`].
    fn compute(&mut self, cohort: &[usize]) -> Result<(), RunError> {
        let setup = self.setup;
        let names: Vec<String> = cohort.iter().map(|&id| whose(setup, id)).collect();
        let stages = cohort.iter().map(|&id| as_it_runs(setup, &self.stages, id));
        let stages: Vec<Stage> = stages.collect::<Result<_, _>>()?;
        let stages: Vec<&Stage> = stages.iter().collect();
        let model = self.stages.model_before(stages[0])?;
        let what = stages[0].step.describe(stages.len());
        let samples: u64 = stages.iter().map(|stage| setup.samples_of(stage)).sum();
        let planned = cohort
            .iter()
            .map(|&id| setup.samples_of(&setup.plan.stages[id]));
        self.reporter
            .lengthen(samples - planned.sum::<u64>().min(samples));
        let (mut batch, mut dataset) = (1, None);
        if let Some(spec) = stages[0].training().or(stages[0].step.data()) {
            (batch, dataset) = (u64::from(spec.batch), Some(spec.dataset.as_str()));
            self.reporter.tell(Event::Begun(&what));
            self.make_resident(&spec.dataset)?;
        }
        let parents: Vec<Option<Arc<Snapshot>>> = stages
            .iter()
            .map(|stage| self.stages.parent_of(stage).cloned())
            .collect();
        let begun = Instant::now();
        let context = context(setup, &self.resident, dataset);
        let checkpoint = checkpoint(&self.stages.folder, &stages);
        let from = checkpoint.as_ref().map_or(0, |from| from.steps);
        if from > 0 {
            self.reporter.note(&format!("  going on after step {from}"));
            self.reporter.resume_at(from * batch * cohort.len() as u64);
        }
        if samples > 0 {
            let rest = self.schedule.work_after(cohort)?;
            let kind = self.schedule.kind_of(cohort[0])?;
            self.reporter.begin_stage(kind, samples, rest);
        }
        self.reporter.log(
            "cohort",
            json!({ "work": what, "replicas": cohort.len(), "samples": samples, "runs": names }),
        );
        let mut saver = Saver::new(&self.stages.folder, setup.options, &stages, &names);
        let start = StepStart {
            parents: &parents,
            checkpoint,
            mask_files: &setup.experiment.mask_files,
        };
        let reporter = &mut self.reporter;
        let outcomes = match stages[0].step {
            Step::Compact => vec![compact(&self.stages, stages[0], &model, reporter, &what)?],
            _ => execute(
                &context, &model, &stages, start, &mut saver, reporter, &what,
            )?,
        };
        let seconds = begun.elapsed().as_secs_f64();
        for stage in &stages {
            let fields = json!({
                "digest": stage.digest,
                "step": stage.step.word(),
                "seed": stage.seed,
                "seconds": seconds,
            });
            self.reporter.log("stage", fields);
        }
        let replicas = cohort.len() as u64;
        let steps = steps_taken(&outcomes, from).unwrap_or(samples / replicas / batch);
        self.reporter.finish_stage(samples);
        if self.profile && stages[0].step.training().is_some() {
            let breakdown = profile(&context, &model, &stages, &outcomes, &what)?;
            let text = format!("{what}: {}", breakdown_text(&breakdown));
            self.reporter.tell(Event::Profile(&text));
            self.profile = false;
        }
        let made = outcomes[0].network.as_ref();
        let model = made.map_or(model, |network| network.model.clone());
        self.schedule.strike(cohort);
        for (&id, outcome) in cohort.iter().zip(outcomes) {
            self.stages.keep(id, outcome, &model)?;
        }
        self.score_missing(cohort)?;
        for (&id, stage) in cohort.iter().zip(&stages) {
            self.settle(id)?;
            for id in stage.parent.into_iter().chain([id]) {
                if self.schedule.dependants(&[id]) == 0 {
                    self.stages.release(id);
                }
            }
        }
        self.ledger.write(&self.stages.folder)?;
        if samples > 0 {
            let samples = steps * batch * replicas;
            self.stages.folder.append_rows(&[TimeRow {
                stage: stages[0].digest.clone(),
                work: what,
                adapter: setup.facts.adapter.clone(),
                replicas: cohort.len() as u32,
                steps,
                samples,
                seconds,
                samples_per_second: samples as f64 / seconds.max(1e-9),
            }])?;
        }
        Ok(())
    }

    pub(super) fn make_resident(&mut self, name: &str) -> Result<(), RunError> {
        if !self.resident.contains_key(name)
            && let Some(data) = self.setup.datasets.get(name)
        {
            let resident = ResidentDataset::upload(self.setup.gpu, data)?;
            self.resident.insert(name.to_owned(), resident);
        }
        Ok(())
    }

    /// Scores those of these stages that runs end with and that have no scores yet. All are of one network.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) fn score_missing(&mut self, ids: &[usize]) -> Result<(), RunError> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for &id in ids {
            let diverged = self.stages.record(id).and_then(divergence).is_some();
            let Some(spec) = self.setup.ends.get(&id) else {
                continue;
            };
            if diverged || self.stages.scores(id).is_some() {
                continue;
            }
            // Alike in all that evaluation reads, and in the room it takes.
            let alike = format!(
                "{} {} {} {} {} {:?}",
                spec.dataset,
                spec.batch,
                spec.micro_batch(),
                spec.validation,
                spec.balanced,
                spec.normalise
            );
            groups.entry(alike).or_default().push(id);
        }
        for mut members in groups.into_values() {
            while let Err(error) = self.score(&members) {
                match (own_failure(&error), replica_of(&error)) {
                    (Some(reason), Some(replica)) => self.fail(members.remove(replica), &reason)?,
                    _ => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Scores stages that are evaluated alike.
    fn score(&mut self, ids: &[usize]) -> Result<(), RunError> {
        let setup = self.setup;
        let Some((&first, specs)) = ids.first().zip(specs_of_ends(setup, ids)) else {
            return Ok(());
        };
        let stages: Vec<&Stage> = ids.iter().map(|&id| &setup.plan.stages[id]).collect();
        let what = stages[0].step.describe(stages.len());
        let model = self.stages.model_after(first)?;
        let name = specs[0].dataset.as_str();
        self.make_resident(name)?;
        let context = context(setup, &self.resident, Some(name));
        let snapshots: Vec<_> = ids
            .iter()
            .map(|&id| self.stages.snapshot(id).cloned())
            .collect();
        let scores = score(&context, &model, &stages, &specs, &snapshots, &what)?;
        if setup.options.measure_speed {
            let ended: Vec<_> = snapshots.into_iter().flatten().collect();
            let row = measure_speed(&context, &model, &stages, &specs, &ended, &what)?;
            self.stages.folder.append_rows(row.as_slice())?;
        }
        for (&id, scores) in ids.iter().zip(scores) {
            self.stages.keep_scores(id, scores)?;
        }
        Ok(())
    }
}

/// The last trainings of the runs that end with these stages.
fn specs_of_ends<'s>(setup: &'s Setup<'_>, ids: &[usize]) -> Option<Vec<&'s TrainSpec>> {
    ids.iter().map(|id| setup.ends.get(id)).collect()
}

/// Steps that a cohort's training took since its checkpoint, which was saved after `from` of them. It goes on until its last replica
/// has stopped. `None` where nothing says how far it went.
fn steps_taken(outcomes: &[Outcome], from: u64) -> Option<u64> {
    let last = |outcome: &Outcome| outcome.record.curve.last().map(|point| point.step);
    let last = outcomes.iter().filter_map(last).max()?;
    Some(u64::from(last).saturating_sub(from))
}

/// The world of one step: `dataset` on both sides, if the step needs one.
pub(super) fn context<'c>(
    setup: &Setup<'c>,
    resident: &'c HashMap<String, ResidentDataset>,
    dataset: Option<&str>,
) -> RunContext<'c> {
    let data = |name| Some((setup.datasets.get(name)?, resident.get(name)?));
    RunContext {
        gpu: setup.gpu,
        execution: setup.execution(),
        verify_sparse: setup.options.verify_sparse,
        custom: setup.custom,
        stop: setup.stop,
        data: dataset.and_then(data),
    }
}
