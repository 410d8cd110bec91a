//! Networks that shrink on the way: which one each stage works on, and the step that makes one smaller.
//!
//! The plan knows the network of the experiment. How much of it is left after a compaction depends on the weights, so on the
//! seed: it is known once the stage is computed, or read from a saved stage, which says what it holds.

use super::cohort::{key, key_with};
use super::error::RunError;
use super::outcome::{Network, Outcome};
use super::record::Record;
use super::session::Session;
use crate::experiment::Stage;
use crate::model::Model;
use crate::prune;
use crate::spec::ModelSpec;
use std::sync::Arc;

/// Where a saved stage says what its network is made of.
const NOTE: &str = "network";

impl Session<'_> {
    /// The network that a stage starts from. That of a stage whose parent is yet to be computed may turn out smaller.
    pub(super) fn model_before(&self, stage: &Stage) -> Result<Arc<Model>, RunError> {
        match self.network_before(stage) {
            Some(network) => Ok(network.model.clone()),
            None => self.model_of(stage),
        }
    }

    fn network_before(&self, stage: &Stage) -> Option<&Network> {
        self.networks.get(&stage.parent?)
    }

    /// The network that a finished stage leaves.
    pub(super) fn model_after(&self, id: usize) -> Result<Arc<Model>, RunError> {
        match self.networks.get(&id) {
            Some(network) => Ok(network.model.clone()),
            None => self.model_of(&self.plan.stages[id]),
        }
    }

    /// Remembers the network after a stage: one that it made, or its parent's.
    pub(super) fn note_network(&mut self, id: usize, made: Option<Network>) {
        let network = made.or_else(|| self.network_before(&self.plan.stages[id]).cloned());
        if let Some(network) = network {
            self.networks.insert(id, network);
        }
    }

    /// What a saved stage says of its network, so that it can be read by itself.
    pub(super) fn network_note(&self, id: usize) -> Option<(String, String)> {
        let network = self.networks.get(&id)?;
        let text = serde_json::to_string(&network.spec).unwrap_or_default();
        Some((NOTE.to_owned(), text))
    }

    /// The network that a saved stage says it holds.
    pub(super) fn saved_network(&self, stage: &Stage) -> Result<Option<Network>, RunError> {
        let meta = self.folder.stage_meta(&stage.digest)?;
        let Some(text) = meta.as_ref().and_then(|meta| meta.get(NOTE)) else {
            return Ok(None);
        };
        let damaged = |reason: String| RunError::Record {
            path: self.folder.stage_path(&stage.digest).display().to_string(),
            reason,
        };
        let spec: ModelSpec = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
        let whole = self.model_of(stage)?;
        let model = Model::new(&spec, whole.input, whole.classes);
        let model = model.map_err(|e| damaged(e.to_string()))?;
        Ok(Some(Network {
            spec,
            model: Arc::new(model),
        }))
    }

    /// What stages must agree in to share a cohort, their networks among it.
    pub(super) fn cohort_key(&self, id: usize) -> String {
        let stage = &self.plan.stages[id];
        match self.network_before(stage) {
            Some(network) => key_with(stage, &network.spec),
            None => key(stage),
        }
    }

    /// Carries a `compact` step out. It is the host's work, and a moment's.
    pub(super) fn compact(&mut self, id: usize) -> Result<(), RunError> {
        let stage = self.plan.stages[id].clone();
        let before = self.model_before(&stage)?;
        let spec = match self.network_before(&stage) {
            Some(network) => network.spec.clone(),
            None => stage.model.clone(),
        };
        let what = self.describe(&[&stage]);
        let parent = stage.parent.and_then(|p| self.snapshots.get(&p).cloned());
        let compacted = match parent {
            Some(snapshot) => prune::compact(&spec, &before, &snapshot),
            // Only a stage that starts from fresh weights has no parent, and those have no mask: nothing is removed.
            None => {
                return Err(RunError::Experiment(vec![format!(
                    "{what}: there is no mask"
                )]));
            }
        };
        let made = compacted.map_err(|e| RunError::Experiment(vec![format!("{what}: {e}")]))?;
        self.meter.say(&format!(
            "  seed {}: {} parameters are {} after compaction",
            stage.seed,
            before.parameters(),
            made.model.parameters()
        ));
        let mut outcomes = [Outcome {
            snapshot: Arc::new(made.snapshot),
            record: Record::default(),
            network: Some(Network {
                spec: made.spec,
                model: made.model.clone(),
            }),
        }];
        self.score_ends(&[id], &[&stage], &made.model, &mut outcomes, &what)?;
        let [outcome] = outcomes;
        self.keep(id, outcome, &made.model)?;
        self.write_tables()
    }
}
