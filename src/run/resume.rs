//! Goes on from what an earlier call left in the run folder.

use super::error::RunError;
use super::finish::records_of;
use super::outcome::Outcome;
use super::place::tensor_infos;
use super::rows::{curve_rows, last_pass};
use super::session::Session;
use crate::experiment::Step;
use crate::train::Snapshot;
use std::collections::HashSet;
use std::sync::Arc;

impl Session<'_> {
    /// Stages worth a file: trainings, prune steps that run batches or iterate, and whatever a run ends with. The others are
    /// recomputed in milliseconds.
    pub(super) fn is_saved_kind(&self, id: usize) -> bool {
        let long = match &self.plan.stages[id].step {
            Step::Train(_) => true,
            Step::Prune(spec) => spec.data.is_some() || spec.iterations > 1,
            Step::PruneUnits(spec) => spec.data.is_some(),
            Step::Mask(_) | Step::Restart(_) | Step::Recalibrate(_) | Step::Compact => false,
        };
        long || self.ends.contains_key(&id)
    }

    pub(super) fn saved(&self, id: usize) -> bool {
        self.is_saved_kind(id) && self.folder.has_stage(&self.plan.stages[id].digest)
    }

    /// Stages that must be computed: every checkpoint that is missing, and the quick steps that lead to one.
    pub(super) fn needed(&self) -> HashSet<usize> {
        let mut needed = HashSet::new();
        for run in &self.plan.runs {
            let mut later_needed = false;
            for &id in run.stages.iter().rev() {
                later_needed = if self.is_saved_kind(id) {
                    !self.saved(id)
                } else {
                    later_needed
                };
                if later_needed {
                    needed.insert(id);
                }
            }
        }
        needed
    }

    /// A stage that had to be computed again may lie in the middle of a run that was taken over before it.
    pub(super) fn complete_histories(&mut self) {
        let numbers: Vec<usize> = self.rows.keys().copied().collect();
        for number in numbers {
            let run = &self.plan.runs[number];
            let records = records_of(&self.records, run);
            let curve = curve_rows(self.experiment, &self.plan, run, &records);
            let rounds = self.rounds_of(run);
            let violations = records.iter().map(|r| r.violations).sum();
            let last = last_pass(&records);
            if let Some(row) = self.rows.get_mut(&number) {
                row.mask_violations = violations;
                (row.kept_epoch, row.train_loss) = last;
            }
            self.curves.insert(number, curve);
            self.rounds.insert(number, rounds);
        }
    }

    /// Takes over every run whose last stage is saved.
    pub(super) fn resume(&mut self) -> Result<(), RunError> {
        let saved: Vec<usize> = (0..self.plan.stages.len())
            .filter(|&id| self.saved(id))
            .collect();
        self.resumed = saved.len();
        if !saved.is_empty() {
            self.meter.note(&format!(
                "{} of {} stages are already in {}; going on from there",
                saved.len(),
                self.plan.stages.len(),
                self.options.out.display()
            ));
        }
        let needed = self.needed();
        for &id in &saved {
            // Killed after a stage was saved and before what it had come to was removed.
            self.folder.remove_partial(&self.plan.stages[id].digest);
            let outcome = self.load(id)?;
            self.note_network(id, outcome.network);
            self.records.insert(id, outcome.record);
            let has_children_to_compute = self
                .plan
                .stages
                .iter()
                .any(|s| s.parent == Some(id) && needed.contains(&s.id));
            self.watch_collapse(id, &outcome.snapshot, &*self.model_after(id)?)?;
            // Parents come before children, so the records of the whole history are there.
            self.snapshots.insert(id, outcome.snapshot);
            self.emit_rows(id)?;
            if !has_children_to_compute {
                self.snapshots.remove(&id);
            }
        }
        self.write_tables()
    }

    pub(super) fn load(&self, id: usize) -> Result<Outcome, RunError> {
        let stage = &self.plan.stages[id];
        let network = self.saved_network(stage)?;
        let model = match &network {
            Some(network) => network.model.clone(),
            None => self.model_of(stage)?,
        };
        let path = || self.folder.stage_path(&stage.digest).display().to_string();
        let state = self
            .folder
            .load_stage(&stage.digest, &tensor_infos(&model))?
            .ok_or_else(|| RunError::Record {
                path: path(),
                reason: "it is gone".to_owned(),
            })?;
        let text = state.meta.get("record").map_or("", String::as_str);
        let record = serde_json::from_str(text).map_err(|e| RunError::Record {
            path: path(),
            reason: e.to_string(),
        })?;
        Ok(Outcome {
            snapshot: Arc::new(Snapshot {
                weights: state.weights,
                mask: state.mask,
            }),
            record,
            network,
        })
    }
}
