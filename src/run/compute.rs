//! Which stages run together next, and their computation.

use super::checkpoint::Saver;
use super::cohort;
use super::demand::demand;
use super::error::RunError;
use super::memory::density_after;
use super::outcome::Outcome;
use super::place::Context;
use super::score::score;
use super::session::{RunOptions, Session};
use super::steps::{Start, execute};
use super::training::profile;
use crate::bench::breakdown_text;
use crate::data::Dataset;
use crate::experiment::{Stage, Step};
use crate::gpu::Gpu;
use crate::model::Model;
use crate::ops::Execution;
use crate::spec::{Restart, TrainSpec};
use crate::store::TimeRow;
use crate::train::{ResidentDataset, Snapshot};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

impl Session<'_> {
    /// The next stages to compute together: cheap steps first, then the largest group of equal trainings to which no more
    /// can come.
    pub(super) fn next_cohort(&self, todo: &HashSet<usize>) -> Result<Vec<usize>, RunError> {
        let ready = |id: usize| {
            self.plan.stages[id]
                .parent
                .is_none_or(|parent| !todo.contains(&parent))
        };
        let mut groups: BTreeMap<String, (Vec<usize>, usize)> = BTreeMap::new();
        let mut ids: Vec<usize> = todo.iter().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let group = groups.entry(self.cohort_key(id)).or_default();
            if ready(id) {
                group.0.push(id);
            } else {
                group.1 += 1;
            }
        }
        let trains = |ids: &[usize]| matches!(self.plan.stages[ids[0]].step, Step::Train(_));
        let chosen = groups
            .into_values()
            .filter(|(ready, _)| !ready.is_empty())
            .min_by_key(|(ready, later)| {
                // Cheap steps, then complete groups, then whatever others wait for most.
                (
                    trains(ready),
                    *later > 0,
                    std::cmp::Reverse(self.dependants(ready)),
                    ready[0],
                )
            })
            .map(|(ready, _)| ready)
            .unwrap_or_default();
        let Some(&first) = chosen.first() else {
            return Ok(Vec::new());
        };
        let stage = &self.plan.stages[first];
        if stage.step == Step::Compact {
            return Ok(vec![first]);
        }
        let model = self.model_before(stage)?;
        let density = |id: usize| {
            let parent = self.plan.stages[id].parent;
            let snapshot = parent.and_then(|p| self.snapshots.get(&p));
            snapshot.map_or(1.0, |s| cohort::density(&s.mask))
        };
        // A training that prunes ends with lists for what it comes to.
        let listed = match stage.step.prunes() {
            Some(_) => density_after(&self.plan, Some(first), &model),
            None => density(first),
        };
        let demand = demand(stage, self.ends.get(&first), listed);
        let most = self
            .limits
            .replicas_of(&model, &demand)
            .map_err(|e| RunError::Experiment(vec![e]))?;
        if !trains(&[first]) {
            return Ok(chosen.into_iter().take(most).collect());
        }
        let place = |id: usize| {
            let length = self.as_it_runs(id)?.training().map(|spec| spec.length);
            let class = cohort::density_class(density(id));
            Ok::<_, RunError>((class, self.steps_saved(id), length))
        };
        let of_first = place(first)?;
        let mut alike = Vec::new();
        for id in chosen {
            if alike.len() < most && place(id)? == of_first {
                alike.push(id);
            }
        }
        Ok(alike)
    }

    pub(super) fn dependants(&self, ids: &[usize]) -> usize {
        ids.iter().map(|&id| self.waiting[id]).sum()
    }

    /// Computes a cohort, saves it, and writes the rows of the runs it ends.
    pub(super) fn compute(&mut self, cohort: &[usize]) -> Result<(), RunError> {
        if let [id] = *cohort
            && self.plan.stages[id].step == Step::Compact
        {
            return self.compact(id);
        }
        let stages = cohort.iter().map(|&id| self.as_it_runs(id));
        let stages: Vec<Stage> = stages.collect::<Result<_, _>>()?;
        let stages: Vec<&Stage> = stages.iter().collect();
        let model = self.model_before(stages[0])?;
        let what = self.describe(&stages);
        let samples: u64 = stages.iter().map(|stage| self.samples_of(stage)).sum();
        let planned = cohort
            .iter()
            .map(|&id| self.samples_of(&self.plan.stages[id]));
        self.meter
            .lengthen(samples - planned.sum::<u64>().min(samples));
        let (mut batch, mut dataset) = (1, None);
        if let Some(spec) = stages[0].training().or(stages[0].step.data()) {
            (batch, dataset) = (u64::from(spec.batch), Some(spec.dataset.as_str()));
            self.meter.say(&what);
            self.make_resident(&spec.dataset)?;
        }
        let parents: Vec<Option<Arc<Snapshot>>> = stages
            .iter()
            .map(|s| s.parent.and_then(|p| self.snapshots.get(&p).cloned()))
            .collect();
        let begun = Instant::now();
        let context = context(
            self.gpu,
            self.options,
            self.datasets,
            &self.resident,
            dataset,
        );
        let checkpoint = self.checkpoint(&stages);
        let from = checkpoint.as_ref().map_or(0, |from| from.steps);
        if from > 0 {
            self.meter.note(&format!("  going on after step {from}"));
        }
        let mut saver = Saver::new(&self.folder, self.options, &stages);
        let start = Start {
            parents: &parents,
            checkpoint,
            mask_files: &self.experiment.mask_files,
        };
        let mut outcomes = execute(
            &context,
            &model,
            &stages,
            start,
            &mut saver,
            &mut self.meter,
            &what,
        )?;
        let seconds = begun.elapsed().as_secs_f64();
        let replicas = cohort.len() as u64;
        let steps = steps_taken(&outcomes, from).unwrap_or(samples / replicas / batch);
        self.meter.finish_stage(samples);
        if self.profile && matches!(stages[0].step, Step::Train(_)) {
            let breakdown = profile(&context, &model, &stages, &outcomes, &what)?;
            self.meter
                .note(&format!("{what}: {}", breakdown_text(&breakdown)));
            self.profile = false;
        }
        self.score_ends(cohort, &stages, &model, &mut outcomes, &what)?;
        for (&id, outcome) in cohort.iter().zip(outcomes) {
            self.keep(id, outcome, &model)?;
        }
        self.write_tables()?;
        if samples > 0 {
            let samples = steps * batch * replicas;
            self.folder.append_times(&[TimeRow {
                stage: stages[0].digest.clone(),
                what,
                adapter: self.facts.adapter.clone(),
                replicas: cohort.len() as u32,
                steps,
                samples,
                seconds,
                samples_per_second: samples as f64 / seconds.max(1e-9),
            }])?;
        }
        Ok(())
    }

    pub(super) fn describe(&self, stages: &[&Stage]) -> String {
        let count = stages.len();
        let plural = if count == 1 { "" } else { "s" };
        match &stages[0].step {
            Step::Train(step) => {
                format!("training {count} replica{plural} on {}", step.train.dataset)
            }
            Step::Recalibrate(spec) => {
                format!("recalibrating {count} replica{plural} on {}", spec.dataset)
            }
            Step::Prune(_) => format!("pruning {count} replica{plural}"),
            Step::PruneUnits(_) => format!("pruning units of {count} replica{plural}"),
            Step::Compact => format!("compacting {count} replica{plural}"),
            Step::Mask(_) => format!("masking {count} replica{plural}"),
            Step::Restart(Restart::Rewind(to)) => {
                format!("rewinding {count} replica{plural} to {to}")
            }
            Step::Restart(_) => format!("restarting {count} replica{plural}"),
        }
    }

    pub(super) fn make_resident(&mut self, name: &str) -> Result<(), RunError> {
        if !self.resident.contains_key(name)
            && let Some(data) = self.datasets.get(name)
        {
            let resident = ResidentDataset::upload(self.gpu, data)?;
            self.resident.insert(name.to_owned(), resident);
        }
        Ok(())
    }

    /// Reads the test set for the stages that runs end with.
    pub(super) fn score_ends(
        &mut self,
        cohort: &[usize],
        stages: &[&Stage],
        model: &Arc<Model>,
        outcomes: &mut [Outcome],
        what: &str,
    ) -> Result<(), RunError> {
        let mut by_dataset: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, id) in cohort.iter().enumerate() {
            if let Some(spec) = self.ends.get(id) {
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
                by_dataset.entry(alike).or_default().push(i);
            }
        }
        for members in by_dataset.into_values() {
            let specs: Vec<TrainSpec> = members
                .iter()
                .filter_map(|&i| self.ends.get(&cohort[i]).cloned())
                .collect();
            let name = specs[0].dataset.clone();
            self.make_resident(&name)?;
            let context = context(
                self.gpu,
                self.options,
                self.datasets,
                &self.resident,
                Some(&name),
            );
            let chosen: Vec<&Stage> = members.iter().map(|&i| stages[i]).collect();
            let mut ended: Vec<&mut Outcome> = outcomes
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| members.contains(i))
                .map(|(_, outcome)| outcome)
                .collect();
            let specs: Vec<&TrainSpec> = specs.iter().collect();
            score(&context, model, &chosen, &specs, &mut ended, what)?;
            if self.options.measure_speed {
                let ended: Vec<_> = ended.iter().map(|o| o.snapshot.clone()).collect();
                self.measure_speed(&context, model, &chosen, &specs, &ended, what)?;
            }
        }
        Ok(())
    }
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
    gpu: &'c Gpu,
    options: &RunOptions,
    datasets: &'c BTreeMap<String, Dataset>,
    resident: &'c HashMap<String, ResidentDataset>,
    dataset: Option<&str>,
) -> Context<'c> {
    Context {
        gpu,
        execution: options
            .execution
            .unwrap_or_else(|| Execution::for_adapter(gpu.adapter())),
        verify_sparse: options.verify_sparse,
        data: dataset.and_then(|name| Some((datasets.get(name)?, resident.get(name)?))),
    }
}
