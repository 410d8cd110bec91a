//! The stages that are finished: what of them lies on disk, and what later ones need of them in memory.

use super::cohort::{key, key_with};
use super::error::RunError;
use super::measures::{Measures, measure};
use super::outcome::{Network, Outcome};
use super::record::{FinalScores, Record};
use super::setup::Setup;
use crate::experiment::{Run, Stage};
use crate::model::Model;
use crate::spec::ModelSpec;
use crate::store::{RunFolder, StageState};
use crate::train::Snapshot;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a saved stage has its record.
const RECORD: &str = "record";
/// Where it says what its digest covers.
pub(super) const INPUT: &str = "input";
/// Where it says what its network is made of.
const NETWORK: &str = "network";

/// What finished stages left.
pub(super) struct Stages<'s> {
    setup: &'s Setup<'s>,
    pub folder: RunFolder,
    /// Of stages that others start from, or whose run has no row yet.
    snapshots: HashMap<usize, Arc<Snapshot>>,
    records: HashMap<usize, Record>,
    /// Of stages that runs end with.
    scores: HashMap<usize, FinalScores>,
    /// The network after a stage, where it is not the one that the experiment has.
    networks: HashMap<usize, Network>,
}

impl<'s> Stages<'s> {
    /// Those in the run folder; none of them is in memory yet.
    ///
    /// # Errors
    /// As [`Setup::open_folder`].
    pub fn open(setup: &'s Setup<'s>) -> Result<Self, RunError> {
        Ok(Self {
            setup,
            folder: setup.open_folder()?,
            snapshots: HashMap::new(),
            records: HashMap::new(),
            scores: HashMap::new(),
            networks: HashMap::new(),
        })
    }

    /// Whether a stage was taken over or computed in this execution.
    pub fn is_known(&self, id: usize) -> bool {
        self.records.contains_key(&id)
    }

    /// Whether a stage lies in the store with its weights.
    pub fn is_saved(&self, id: usize) -> bool {
        let digest = &self.setup.plan.stages[id].digest;
        self.setup.is_kept_on_disk(id) && self.folder.stages().has(digest)
    }

    /// Whether what is needed of a stage lies in the store: of one that nothing starts from and no run ends with, its record does.
    pub fn is_there(&self, id: usize, starts_others: bool) -> bool {
        self.is_saved(id) || (!starts_others && self.has_record_alone(id))
    }

    /// Whether the weights of a stage were freed, and no run ends with them.
    pub fn has_record_alone(&self, id: usize) -> bool {
        let digest = &self.setup.plan.stages[id].digest;
        let store = self.folder.stages();
        let in_the_middle = self.setup.is_kept_on_disk(id) && !self.setup.ends.contains_key(&id);
        in_the_middle && !store.has(digest) && store.has_record(digest)
    }

    /// Takes what was kept of a stage whose weights were freed.
    ///
    /// # Errors
    /// It is damaged.
    pub fn take_over_record(&mut self, id: usize) -> Result<(), RunError> {
        let stage = &self.setup.plan.stages[id];
        let network = self.saved_network(stage)?;
        let inherited = || self.network_before(stage).cloned();
        if let Some(network) = network.or_else(inherited) {
            self.networks.insert(id, network);
        }
        let meta = self
            .folder
            .stages()
            .meta(&stage.digest)?
            .unwrap_or_default();
        let record = serde_json::from_str(meta.get(RECORD).map_or("", String::as_str));
        let record = record.map_err(|e| self.unreadable(stage, e.to_string()))?;
        self.records.insert(id, record);
        Ok(())
    }

    /// What a stage left, while it is needed.
    pub fn snapshot(&self, id: usize) -> Option<&Arc<Snapshot>> {
        self.snapshots.get(&id)
    }

    /// What is remembered of a finished stage.
    pub fn record(&self, id: usize) -> Option<&Record> {
        self.records.get(&id)
    }

    /// What a stage starts from; `None` is fresh weights.
    pub fn parent_of(&self, stage: &Stage) -> Option<&Arc<Snapshot>> {
        self.snapshot(stage.parent?)
    }

    /// Lets go of weights that nobody needs any more.
    pub fn release(&mut self, id: usize) {
        self.snapshots.remove(&id);
    }

    /// The records of a run's stages, first to last; quick steps that were not computed again have none to tell, so their
    /// place is left to an empty one.
    pub fn records_of(&self, run: &Run) -> Vec<&Record> {
        static NOTHING: Record = Record {
            curve: Vec::new(),
            kept_epoch: None,
            violations: 0,
            measures: Vec::new(),
        };
        let record = |id| self.records.get(id).unwrap_or(&NOTHING);
        run.stages.iter().map(record).collect()
    }

    /// What each step of a run left, layer by layer.
    pub fn measures_of(&self, run: &Run) -> impl Iterator<Item = &Measures> {
        // A quick step in the middle is told of by the next that takes long, or by the last.
        let told = run.stages.iter().filter(|&&id| {
            self.setup.plan.stages[id].step.takes_long() || run.stages.last() == Some(&id)
        });
        let records = told.filter_map(|id| self.records.get(id));
        records.flat_map(|record| &record.measures)
    }

    /// The network that a stage starts from, where it is not the one that the experiment has. That of a stage whose parent is yet to
    /// be computed may turn out smaller.
    pub fn network_before(&self, stage: &Stage) -> Option<&Network> {
        self.networks.get(&stage.parent?)
    }

    /// The network that a stage starts from.
    ///
    /// # Errors
    /// As [`Setup::model_of`].
    pub fn model_before(&self, stage: &Stage) -> Result<Arc<Model>, RunError> {
        match self.network_before(stage) {
            Some(network) => Ok(network.model.clone()),
            None => self.setup.model_of(stage),
        }
    }

    /// The network that a finished stage leaves.
    ///
    /// # Errors
    /// As [`Setup::model_of`].
    pub fn model_after(&self, id: usize) -> Result<Arc<Model>, RunError> {
        match self.networks.get(&id) {
            Some(network) => Ok(network.model.clone()),
            None => self.setup.model_of(&self.setup.plan.stages[id]),
        }
    }

    /// Whether the network was made smaller by the end of a stage.
    pub fn is_compacted(&self, id: usize) -> bool {
        self.networks.contains_key(&id)
    }

    /// What stages must agree in to share a cohort, their networks among it.
    pub fn cohort_key(&self, id: usize) -> String {
        let stage = &self.setup.plan.stages[id];
        match self.network_before(stage) {
            Some(network) => key_with(stage, &network.spec),
            None => key(stage),
        }
    }

    /// Takes a stage that was computed, and saves it if it is worth a file.
    ///
    /// # Errors
    /// The disk refused.
    pub fn keep(&mut self, id: usize, mut outcome: Outcome, model: &Model) -> Result<(), RunError> {
        let stage = &self.setup.plan.stages[id];
        let left = Measures {
            step: stage.step_ordinal,
            does: stage.step.word().to_owned(),
            layers: measure(model, &outcome.snapshot),
        };
        // Quick steps have a file only where a run ends with them: the next step that takes long tells of them too.
        let quick = |&parent: &usize| !self.setup.plan.stages[parent].step.takes_long();
        let before = stage.parent.filter(quick);
        let before = before.and_then(|parent| self.records.get(&parent));
        outcome.record.measures = before.map_or_else(Vec::new, |r| r.measures.clone());
        outcome.record.measures.push(left);
        self.enter(id, outcome);
        if self.setup.is_kept_on_disk(id) {
            self.save(id, model)?;
        }
        Ok(())
    }

    /// Puts a damaged stage aside, and says where it is now.
    ///
    /// # Errors
    /// The disk refused.
    pub fn set_aside(&self, id: usize) -> Result<PathBuf, RunError> {
        let digest = &self.setup.plan.stages[id].digest;
        Ok(self.folder.stages().set_aside(digest)?)
    }

    /// Reads again what a stage left that was let go of.
    ///
    /// # Errors
    /// It is damaged.
    pub fn reload(&mut self, id: usize) -> Result<(), RunError> {
        let outcome = self.load(id)?;
        self.snapshots.insert(id, outcome.snapshot);
        Ok(())
    }

    /// Takes a stage from the store.
    ///
    /// # Errors
    /// It is damaged.
    pub fn take_over(&mut self, id: usize) -> Result<(), RunError> {
        let mut taken = self.take_over_several(&[id]);
        taken.pop().unwrap_or(Ok(()))
    }

    /// Takes stages from the store, which are read and checked on all cores. One result for each.
    pub fn take_over_several(&mut self, ids: &[usize]) -> Vec<Result<(), RunError>> {
        let readable: Vec<Result<_, RunError>> = ids.iter().map(|&id| self.readable(id)).collect();
        let store = self.folder.stages();
        let read = |readable: Result<(String, Arc<Model>, Option<Network>), RunError>| {
            let (digest, model, network) = readable?;
            Ok((store.load(&digest, &model.tensors)?, network))
        };
        let read: Vec<Result<_, RunError>> = readable.into_par_iter().map(read).collect();
        ids.iter()
            .zip(read)
            .map(|(&id, read)| {
                let (state, network) = read?;
                self.accept(id, state, network)
            })
            .collect()
    }

    fn accept(
        &mut self,
        id: usize,
        state: Option<StageState>,
        network: Option<Network>,
    ) -> Result<(), RunError> {
        // Killed after a stage was saved and before what it had come to was removed.
        self.folder
            .stages()
            .remove_partial(&self.setup.plan.stages[id].digest);
        let outcome = self.outcome_of(id, state, network)?;
        self.enter(id, outcome);
        if self.setup.ends.contains_key(&id) {
            let text = self
                .folder
                .stages()
                .load_scores(&self.setup.plan.stages[id].digest);
            let scores = text.and_then(|text| serde_json::from_str(&text).ok());
            self.scores.extend(scores.map(|scores| (id, scores)));
        }
        Ok(())
    }

    /// What the weights of a stage are worth that runs end with, once they were scored.
    pub fn scores(&self, id: usize) -> Option<&FinalScores> {
        self.scores.get(&id)
    }

    /// Keeps what they are worth.
    ///
    /// # Errors
    /// The disk refused.
    pub fn keep_scores(&mut self, id: usize, scores: FinalScores) -> Result<(), RunError> {
        let text = serde_json::to_string(&scores).unwrap_or_default() + "\n";
        self.folder
            .stages()
            .save_scores(&self.setup.plan.stages[id].digest, &text)?;
        self.scores.insert(id, scores);
        Ok(())
    }

    /// Holds what came of a stage.
    pub fn enter(&mut self, id: usize, outcome: Outcome) {
        let inherited = || self.network_before(&self.setup.plan.stages[id]).cloned();
        if let Some(network) = outcome.network.or_else(inherited) {
            self.networks.insert(id, network);
        }
        self.snapshots.insert(id, outcome.snapshot);
        self.records.insert(id, outcome.record);
    }

    fn save(&self, id: usize, model: &Model) -> Result<(), RunError> {
        let digest = &self.setup.plan.stages[id].digest;
        let record = serde_json::to_string(&self.records[&id]).unwrap_or_default();
        let input = serde_json::to_string(&self.setup.input_of(id)).unwrap_or_default();
        let mut meta = BTreeMap::from([(RECORD.to_owned(), record), (INPUT.to_owned(), input)]);
        if let Some(network) = self.networks.get(&id) {
            let spec = serde_json::to_string(&network.spec).unwrap_or_default();
            meta.insert(NETWORK.to_owned(), spec);
        }
        let snapshot = &self.snapshots[&id];
        let state = StageState {
            weights: snapshot.weights.clone(),
            mask: snapshot.mask.clone(),
            meta,
        };
        self.folder.stages().save(digest, &model.tensors, &state)?;
        self.folder.stages().remove_partial(digest);
        Ok(())
    }

    fn load(&self, id: usize) -> Result<Outcome, RunError> {
        let (digest, model, network) = self.readable(id)?;
        let state = self.folder.stages().load(&digest, &model.tensors)?;
        self.outcome_of(id, state, network)
    }

    /// What it takes to read a stage: its digest, the network that it is of, and that network where it is not the experiment's.
    fn readable(&self, id: usize) -> Result<(String, Arc<Model>, Option<Network>), RunError> {
        let stage = &self.setup.plan.stages[id];
        let network = self.saved_network(stage)?;
        let model = match &network {
            Some(network) => network.model.clone(),
            None => self.setup.model_of(stage)?,
        };
        Ok((stage.digest.clone(), model, network))
    }

    fn outcome_of(
        &self,
        id: usize,
        state: Option<StageState>,
        network: Option<Network>,
    ) -> Result<Outcome, RunError> {
        let stage = &self.setup.plan.stages[id];
        let state = state.ok_or_else(|| self.unreadable(stage, "it is gone".to_owned()))?;
        let text = state.meta.get(RECORD).map_or("", String::as_str);
        let record = serde_json::from_str(text);
        Ok(Outcome {
            snapshot: Arc::new(Snapshot {
                weights: state.weights,
                mask: state.mask,
            }),
            record: record.map_err(|e| self.unreadable(stage, e.to_string()))?,
            network,
        })
    }

    /// The network that a saved stage says it holds, so that it can be read by itself.
    fn saved_network(&self, stage: &Stage) -> Result<Option<Network>, RunError> {
        let meta = self.folder.stages().meta(&stage.digest)?;
        let Some(text) = meta.as_ref().and_then(|meta| meta.get(NETWORK)) else {
            return Ok(None);
        };
        let spec: ModelSpec =
            serde_json::from_str(text).map_err(|e| self.unreadable(stage, e.to_string()))?;
        let whole = self.setup.model_of(stage)?;
        let model = Model::new(&spec, whole.input, whole.classes);
        let model = model.map_err(|e| self.unreadable(stage, e.to_string()))?;
        Ok(Some(Network {
            spec,
            model: Arc::new(model),
        }))
    }

    fn unreadable(&self, stage: &Stage, reason: String) -> RunError {
        RunError::Record {
            path: self
                .folder
                .stages()
                .path(&stage.digest)
                .display()
                .to_string(),
            reason,
        }
    }
}
