//! What has been measured: the rows of finished runs, and the tables and plots made of them.

use super::error::RunError;
use super::numerical_version::NUMERICAL_VERSION;
use super::overlap::FinishedMasks;
use super::results::arm_infos;
use super::rows::{curve_rows, last_pass, round_rows, run_row, settings, unfinished_row};
use super::setup::Setup;
use super::stages::Stages;
use crate::experiment::{History, Run};
use crate::report;
use crate::store::{CurveRow, MaskOrigin, RoundRow, RunFolder, RunRow};
use std::collections::BTreeMap;

/// The rows of finished runs, by their number in the plan.
pub(super) struct Ledger<'s> {
    setup: &'s Setup<'s>,
    /// What varies beside the axes, per variant of each arm.
    settings: Vec<Vec<Vec<(String, String)>>>,
    rows: BTreeMap<usize, RunRow>,
    curves: BTreeMap<usize, Vec<CurveRow>>,
    rounds: BTreeMap<usize, Vec<RoundRow>>,
}

impl<'s> Ledger<'s> {
    /// No run is finished.
    pub fn new(setup: &'s Setup<'s>) -> Self {
        Self {
            setup,
            settings: settings(setup.experiment),
            rows: BTreeMap::new(),
            curves: BTreeMap::new(),
            rounds: BTreeMap::new(),
        }
    }

    /// Writes masks and weights of the runs that end with a stage, and returns their rows.
    ///
    /// # Errors
    /// The disk refused.
    pub fn enter(&mut self, id: usize, stages: &Stages<'_>) -> Result<Vec<&RunRow>, RunError> {
        let setup = self.setup;
        let runs = setup.plan.runs.iter().enumerate();
        let ended: Vec<usize> = runs
            .filter(|(number, run)| {
                run.stages.last() == Some(&id) && !self.rows.contains_key(number)
            })
            .map(|(number, _)| number)
            .collect();
        for &number in &ended {
            let run = &setup.plan.runs[number];
            let stage = &setup.plan.stages[id];
            let (whole, model) = (setup.model_of(stage)?, stages.model_after(id)?);
            let (Some(snapshot), Some(scores)) = (stages.snapshot(id), stages.scores(id)) else {
                continue;
            };
            let name = &setup.names[number];
            let row = RunRow {
                run: name.clone(),
                ..run_row(
                    setup.experiment,
                    run,
                    &self.settings[run.arm][run.variant],
                    (&whole, &model),
                    snapshot,
                    (&stages.records_of(run), scores),
                    &setup.facts,
                )
            };
            stages.folder.link_weights(name, &stage.digest)?;
            let origin = MaskOrigin {
                experiment: setup.experiment.title.clone(),
                stage: stage.digest.clone(),
                arm: row.arm.clone(),
                point: row.point.clone(),
                seed: run.seed,
                dataset: self.mask_origin(run),
                criterion: self.mask_criterion(run),
                numerical_version: NUMERICAL_VERSION,
            };
            let folder = &stages.folder;
            folder.save_run_mask(name, &model.tensors, &snapshot.mask, &origin)?;
            self.rows.insert(number, row);
            self.enter_history(number, stages);
        }
        Ok(ended
            .iter()
            .filter_map(|number| self.rows.get(number))
            .collect())
    }

    /// Enters the runs that a failed stage belongs to, and returns their rows; those that had failed before are left as they are.
    ///
    /// # Errors
    /// The disk refused.
    pub fn fail(
        &mut self,
        id: usize,
        reason: &str,
        stages: &Stages<'_>,
    ) -> Result<Vec<&RunRow>, RunError> {
        let setup = self.setup;
        let stage = &setup.plan.stages[id];
        let whole = setup.model_of(stage)?;
        let runs = setup.plan.runs.iter().enumerate();
        let belongs = |(number, run): &(usize, &Run)| {
            run.stages.contains(&id) && !self.rows.contains_key(number)
        };
        let lost: Vec<usize> = runs.filter(belongs).map(|(number, _)| number).collect();
        for &number in &lost {
            let run = &setup.plan.runs[number];
            let name = &setup.names[number];
            let row = RunRow {
                run: name.clone(),
                failure: format!(
                    "step {} ({}): {reason}",
                    stage.step_ordinal,
                    stage.step.word()
                ),
                ..unfinished_row(
                    setup.experiment,
                    run,
                    &self.settings[run.arm][run.variant],
                    &whole,
                    &setup.facts,
                )
            };
            stages.folder.remove_views(name)?;
            self.rows.insert(number, row);
            self.enter_history(number, stages);
        }
        Ok(lost
            .iter()
            .filter_map(|number| self.rows.get(number))
            .collect())
    }

    fn enter_history(&mut self, number: usize, stages: &Stages<'_>) {
        let (experiment, plan) = (self.setup.experiment, &self.setup.plan);
        let run = &plan.runs[number];
        let curve = curve_rows(experiment, plan, run, &stages.records_of(run));
        self.curves.insert(number, curve);
        let rounds = round_rows(experiment, run, stages.measures_of(run));
        self.rounds.insert(number, rounds);
    }

    /// Once all stages are there: one that had to be computed again may lie in the middle of a run that was taken over before it.
    pub fn complete_histories(&mut self, stages: &Stages<'_>) {
        let setup = self.setup;
        for (&number, row) in self.rows.iter_mut().filter(|(_, row)| !row.failed()) {
            let records = stages.records_of(&setup.plan.runs[number]);
            row.mask_violations = records.iter().map(|r| r.violations).sum();
            (row.selected_epoch, row.train_loss) = last_pass(&records);
        }
        let numbers: Vec<usize> = self.rows.keys().copied().collect();
        for number in numbers {
            self.enter_history(number, stages);
        }
    }

    /// Writes the tables of the runs that are finished.
    ///
    /// # Errors
    /// The disk refused.
    pub fn write(&self, folder: &RunFolder) -> Result<(), RunError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<RunRow> = self.rows.values().cloned().collect();
        let curves: Vec<CurveRow> = self.curves.values().flatten().cloned().collect();
        let rounds: Vec<RoundRow> = self.rounds.values().flatten().cloned().collect();
        folder.write_rows(&rows)?;
        folder.write_rows(&curves)?;
        Ok(folder.write_rows(&rounds)?)
    }

    /// The dataset trained on before the last prune: where the mask comes from.
    fn mask_origin(&self, run: &Run) -> String {
        let mut history = History::new(());
        let stages = run.stages.iter().map(|&id| &self.setup.plan.stages[id]);
        stages.for_each(|stage| history.take(&stage.step));
        history.mask_dataset.to_owned()
    }

    /// What made a run's mask, in the words of the experiment's digest, so that the file's bytes depend on nothing that it leaves out.
    fn mask_criterion(&self, run: &Run) -> String {
        let files = &self.setup.experiment.mask_files;
        let stages = run.stages.iter().map(|&id| &self.setup.plan.stages[id]);
        let steps: Vec<String> = stages
            .filter_map(|stage| stage.step.mask_criterion(files))
            .collect();
        steps.join(" ")
    }

    /// Runs that have ended without a result.
    pub fn failed(&self) -> usize {
        self.rows.values().filter(|row| row.failed()).count()
    }

    /// The rows, in the plan's order.
    pub fn into_rows(self) -> Vec<RunRow> {
        self.rows.into_values().collect()
    }

    /// Writes all tables and plots.
    ///
    /// # Errors
    /// The disk refused, or a plot cannot be drawn.
    pub fn finish(&self, stages: &Stages<'_>) -> Result<(), RunError> {
        let folder = &stages.folder;
        self.write(folder)?;
        // Dense runs have no mask to compare, and those of compacted networks none of the same tensors.
        let compares = |number: usize, row: &RunRow| {
            let last = self.setup.plan.runs[number].stages.last();
            !row.failed() && row.density < 1.0 && last.is_none_or(|&id| !stages.is_compacted(id))
        };
        let sparse = self
            .rows
            .iter()
            .filter(|(number, row)| compares(**number, row));
        let sparse: Vec<usize> = sparse.map(|(&number, _)| number).collect();
        let masks = FinishedMasks {
            setup: self.setup,
            folder,
            names: &self.setup.names,
        };
        folder.write_rows(&masks.overlaps(&sparse)?)?;
        let rows: Vec<RunRow> = self.rows.values().cloned().collect();
        // A run that failed is in the tables, and has no place in a mean.
        let learnt = |number: &usize| self.rows.get(number).is_some_and(|row| !row.failed());
        let curves = self.curves.iter().filter(|(number, _)| learnt(number));
        let curves: Vec<CurveRow> = curves.flat_map(|(_, rows)| rows).cloned().collect();
        let arms = arm_infos(self.setup.experiment);
        let dense = report::dense_arms(&rows);
        let title = &self.setup.experiment.title;
        let mut plots = report::accuracy_plots(title, &rows, &arms)?;
        plots.extend(report::curve_plots(title, &curves, &arms, &dense)?);
        for plot in &plots {
            folder.save_plot(&format!("{}.svg", plot.name), plot.svg.as_bytes())?;
            folder.save_plot(&format!("{}.png", plot.name), &plot.png)?;
        }
        Ok(())
    }
}
