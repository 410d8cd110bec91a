//! Saves finished stages, and writes the rows, tables and plots of the runs they end.

use super::error::RunError;
use super::measures::{Measures, measure, word};
use super::outcome::Outcome;
use super::place::tensor_infos;
use super::record::Record;
use super::rows::{curve_rows, round_rows, run_row};
use super::session::Session;
use crate::experiment::{Experiment, Run, Step};
use crate::model::Model;
use crate::report::{self, ArmInfo};
use crate::spec::MaskStep;
use crate::store::{CurveRow, DataRecord, MaskOrigin, RoundRow, RunRow, StageState};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// All rows of a finished experiment.
pub struct Finished {
    /// One per run, in the plan's order.
    pub rows: Vec<RunRow>,
    /// The run folder.
    pub folder: PathBuf,
    /// Stages that an earlier call had already computed.
    pub resumed: usize,
    /// What the results were computed on.
    pub data: Vec<DataRecord>,
    /// Bytes of GPU buffers at the peak.
    pub peak_bytes: u64,
}

/// The arms, for tables and plots.
pub fn arm_infos(experiment: &Experiment) -> Vec<ArmInfo> {
    experiment
        .arms
        .iter()
        .map(|arm| ArmInfo {
            name: arm.name.clone(),
            control_of: arm.control_of.clone(),
        })
        .collect()
}

impl Session<'_> {
    /// Saves a finished stage and lets go of what nobody needs any more.
    pub(super) fn keep(
        &mut self,
        id: usize,
        mut outcome: Outcome,
        model: &Model,
    ) -> Result<(), RunError> {
        self.note_network(id, outcome.network.take());
        let stage = &self.plan.stages[id];
        let left = Measures {
            step: stage.step_ordinal,
            does: word(&stage.step).to_owned(),
            layers: measure(model, &outcome.snapshot),
        };
        // Quick steps have no file: the next stage that has one tells of them too.
        let before = stage.parent.filter(|&parent| !self.is_saved_kind(parent));
        let before = before.and_then(|parent| self.records.get(&parent));
        outcome.record.measures = before.map_or_else(Vec::new, |r| r.measures.clone());
        outcome.record.measures.push(left);
        if self.is_saved_kind(id) {
            let record = serde_json::to_string(&outcome.record).unwrap_or_default();
            let mut meta = BTreeMap::from([("record".to_owned(), record)]);
            meta.extend(self.network_note(id));
            let state = StageState {
                weights: outcome.snapshot.weights.clone(),
                mask: outcome.snapshot.mask.clone(),
                meta,
            };
            self.folder
                .save_stage(&stage.digest, &tensor_infos(model), &state)?;
            self.folder.remove_partial(&stage.digest);
        }
        let diverged = outcome.record.curve.last().is_some_and(|p| p.broken > 0);
        if diverged {
            self.meter.note(&format!(
                "warning: seed {} of stage {}: the loss was not finite (diverged); its results are reported as they are",
                stage.seed,
                &stage.digest[..12]
            ));
        }
        self.watch_collapse(id, &outcome.snapshot, model)?;
        let parent = stage.parent;
        self.snapshots.insert(id, outcome.snapshot);
        self.records.insert(id, outcome.record);
        self.emit_rows(id)?;
        if let Some(parent) = parent {
            self.waiting[parent] = self.waiting[parent].saturating_sub(1);
            if self.waiting[parent] == 0 {
                self.snapshots.remove(&parent);
            }
        }
        if self.waiting[id] == 0 {
            self.snapshots.remove(&id);
        }
        Ok(())
    }

    /// Writes rows, masks and weights of the runs that end with this stage.
    pub(super) fn emit_rows(&mut self, id: usize) -> Result<(), RunError> {
        let runs: Vec<usize> = (0..self.plan.runs.len())
            .filter(|&r| self.plan.runs[r].stages.last() == Some(&id))
            .collect();
        for number in runs {
            let run = &self.plan.runs[number];
            let stage = &self.plan.stages[id];
            let (whole, model) = (self.model_of(stage)?, self.model_after(id)?);
            let Some(snapshot) = self.snapshots.get(&id) else {
                continue;
            };
            let records = records_of(&self.records, run);
            let settings = &self.settings[run.arm][run.variant];
            let row = run_row(
                self.experiment,
                run,
                settings,
                (&whole, &model),
                snapshot,
                &records,
                &self.facts,
            );
            let curve = curve_rows(self.experiment, &self.plan, run, &records);
            let rounds = self.rounds_of(run);
            let name = &self.names[number];
            self.folder.link_weights(name, &stage.digest)?;
            let origin = MaskOrigin {
                experiment: self.experiment.title.clone(),
                experiment_digest: self.facts.experiment_digest.clone(),
                arm: row.arm.clone(),
                point: row.point.clone(),
                seed: run.seed,
                dataset: self.mask_origin(run),
                criterion: self.mask_criterion(run),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            self.folder
                .save_run_mask(name, &tensor_infos(&model), &snapshot.mask, &origin)?;
            self.rows.insert(number, row);
            self.curves.insert(number, curve);
            self.rounds.insert(number, rounds);
        }
        Ok(())
    }

    /// The rows of `rounds.csv` of a run whose stages are finished.
    pub(super) fn rounds_of(&self, run: &Run) -> Vec<RoundRow> {
        let saved = run.stages.iter().filter(|&&id| self.is_saved_kind(id));
        let records = saved.filter_map(|id| self.records.get(id));
        let measures = records.flat_map(|record| &record.measures);
        round_rows(self.experiment, run, measures)
    }

    pub(super) fn write_tables(&self) -> Result<(), RunError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<RunRow> = self.rows.values().cloned().collect();
        let curves: Vec<CurveRow> = self.curves.values().flatten().cloned().collect();
        self.folder.write_results(&rows)?;
        let rounds: Vec<RoundRow> = self.rounds.values().flatten().cloned().collect();
        self.folder.write_curves(&curves)?;
        self.folder.write_rounds(&rounds)?;
        Ok(())
    }

    /// The dataset trained on before the last prune: where the mask comes from.
    pub(super) fn mask_origin(&self, run: &Run) -> String {
        let mut dataset = String::new();
        let mut origin = String::new();
        for &id in &run.stages {
            let step = &self.plan.stages[id].step;
            if let Step::Train(step) = step {
                dataset.clone_from(&step.train.dataset);
            }
            if step.prunes().is_some() || matches!(step, Step::PruneUnits(_)) {
                origin.clone_from(&dataset);
            }
        }
        origin
    }

    /// What made a run's mask, in the words of the experiment's digest, so that the file's bytes depend on nothing that it leaves out.
    pub(super) fn mask_criterion(&self, run: &Run) -> String {
        let steps: Vec<String> = run
            .stages
            .iter()
            .filter_map(|&id| match &self.plan.stages[id].step {
                step @ (Step::Prune(_) | Step::PruneUnits(_) | Step::Mask(_)) => {
                    step_text(step, &self.experiment.mask_files)
                }
                Step::Train(step) => serde_json::to_string(step.masks.as_ref()?).ok(),
                _ => None,
            })
            .collect();
        steps.join(" ")
    }

    pub(super) fn finish(self) -> Result<Finished, RunError> {
        self.write_tables()?;
        self.folder.write_overlap(&self.overlaps()?)?;
        let rows: Vec<RunRow> = self.rows.into_values().collect();
        let curves: Vec<CurveRow> = self.curves.into_values().flatten().collect();
        let arms = arm_infos(self.experiment);
        let dense = report::dense_arms(&rows);
        let title = &self.experiment.title;
        let mut plots = report::accuracy_plots(title, &rows, &arms)?;
        plots.extend(report::curve_plots(title, &curves, &arms, &dense)?);
        for plot in &plots {
            self.folder
                .save_plot(&format!("{}.svg", plot.name), plot.svg.as_bytes())?;
            self.folder
                .save_plot(&format!("{}.png", plot.name), &plot.png)?;
        }
        Ok(Finished {
            rows,
            folder: self.folder.dir().to_path_buf(),
            resumed: self.resumed,
            peak_bytes: self.gpu.peak(),
            data: self.data,
        })
    }
}

/// A step as JSON, in which a mask file is named by its content and not by where it lies.
fn step_text(step: &Step, files: &BTreeMap<PathBuf, String>) -> Option<String> {
    match step {
        Step::Mask(MaskStep::Load(path)) => {
            let sha256 = files.get(path)?;
            Some(serde_json::json!({ "mask": { "load": { "sha256": sha256 } } }).to_string())
        }
        step => serde_json::to_string(step).ok(),
    }
}

/// The records of a run's stages, first to last; quick steps that were not computed again have none to tell, so their
/// place is left to an empty one.
pub(super) fn records_of<'r>(records: &'r HashMap<usize, Record>, run: &Run) -> Vec<&'r Record> {
    static NOTHING: Record = Record {
        curve: Vec::new(),
        kept_epoch: None,
        violations: 0,
        validation: None,
        test: None,
        measures: Vec::new(),
    };
    run.stages
        .iter()
        .map(|id| records.get(id).unwrap_or(&NOTHING))
        .collect()
}
