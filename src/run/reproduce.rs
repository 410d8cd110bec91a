//! `secateur verify`: stages of a run folder computed again here, and compared bit by bit.

use super::budget::as_it_runs;
use super::checkpoint::Saver;
use super::compute::context;
use super::datasets::{facts_of, load_datasets};
use super::engine::Engine;
use super::error::RunError;
use super::events::Reporter;
use super::failure::whose;
use super::options::RunOptions;
use super::outcome::Outcome;
use super::session::Session;
use super::setup::Setup;
use super::steps::{StepStart, execute};
use super::verify::verify;
use crate::data::SearchPath;
use crate::experiment::{Experiment, Step};
use crate::store::{AdapterAndDriver, SameBits, enter_same_bits, read_owner};
use crate::train::Snapshot;
use std::sync::Arc;

/// A stage that was computed again.
#[derive(Clone, Debug)]
pub struct Reproduced {
    /// Arm, sweep point and seed, and what the step does.
    pub what: String,
    /// The stage's digest.
    pub digest: String,
    /// Where it differs from what is saved, if it does.
    pub difference: Option<String>,
}

/// What came of computing stages again.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// Each stage of the sample.
    pub stages: Vec<Reproduced>,
    /// Under what they were computed.
    pub then: AdapterAndDriver,
    /// Under what they were computed again.
    pub now: AdapterAndDriver,
}

impl Engine<'_> {
    /// Computes so many stages of a run folder again and compares every bit of weights, mask and curve. Where all are equal and the
    /// folder is another driver's, its store goes on under this one from then on.
    ///
    /// # Errors
    /// See [`RunError`]; the folder has no finished training, or another experiment.
    pub fn reproduce(
        &mut self,
        experiment: &Experiment,
        sample: usize,
    ) -> Result<Reproduction, RunError> {
        let out = self.environment.options.out.clone();
        let owner = read_owner(&out)?;
        let then = AdapterAndDriver {
            adapter: owner.adapter,
            driver: owner.driver,
        };
        self.environment.named_as = Some(then.clone());
        let search = SearchPath::new(self.environment.options.data.clone());
        let datasets = load_datasets(experiment, &search)?;
        let models = verify(experiment, &facts_of(&datasets)).map_err(RunError::Mistakes)?;
        let setup = Setup::new(experiment, &self.environment, &datasets, models)?;
        let now = setup.here.clone();
        let mut session = Session::new(&setup, Reporter::new(&mut self.tell))?;
        let trainings: Vec<usize> = (0..setup.plan.stages.len())
            .filter(|&id| setup.plan.stages[id].step.training().is_some())
            .filter(|&id| session.stages.is_saved(id))
            .collect();
        if trainings.is_empty() {
            return Err(RunError::Experiment(vec![format!(
                "{} has no finished training of this experiment to compare with",
                out.display()
            )]));
        }
        // Spread over the plan: over arms, rounds and seeds.
        let count = sample.clamp(1, trainings.len());
        let chosen = (0..count).map(|i| trainings[i * trainings.len() / count]);
        let mut stages = Vec::new();
        for id in chosen {
            stages.push(session.reproduce(id)?);
        }
        let equal = stages.iter().all(|stage| stage.difference.is_none());
        if equal && then != now {
            let seen = SameBits {
                tried: now.clone(),
                computed_under: then.clone(),
                stages: stages.len(),
            };
            enter_same_bits(session.stages.folder.stages().dir(), seen)?;
        }
        Ok(Reproduction { stages, then, now })
    }
}

impl Session<'_> {
    /// Computes a saved stage again and compares it.
    fn reproduce(&mut self, id: usize) -> Result<Reproduced, RunError> {
        let stage = &self.setup.plan.stages[id];
        let again = self.recompute(id)?;
        self.stages.take_over(id)?;
        let saved = self.stages.snapshot(id).cloned();
        let record = self.stages.record(id);
        let curve = record.is_some_and(|record| record.curve == again.record.curve);
        let difference = match saved {
            None => Some("it is gone".to_owned()),
            Some(saved) => first_difference(&saved, &again.snapshot)
                .or_else(|| (!curve).then(|| "its curve".to_owned())),
        };
        self.stages.release(id);
        Ok(Reproduced {
            what: format!("{}, {}", whose(self.setup, id), stage.step.describe(1)),
            digest: stage.digest.clone(),
            difference,
        })
    }

    /// A stage's outcome, computed from what is saved of its parent; quick steps in between are computed again too.
    fn recompute(&mut self, id: usize) -> Result<Outcome, RunError> {
        let setup = self.setup;
        let parent = match setup.plan.stages[id].parent {
            None => None,
            Some(parent) if self.stages.is_saved(parent) => {
                self.stages.take_over(parent)?;
                self.stages.snapshot(parent).cloned()
            }
            Some(parent) => {
                let outcome = self.recompute(parent)?;
                let snapshot = outcome.snapshot.clone();
                self.stages.enter(parent, outcome);
                Some(snapshot)
            }
        };
        let stage = as_it_runs(setup, &self.stages, id)?;
        if stage.step == Step::Compact {
            let what = "a stage behind a `compact` step cannot be compared yet".to_owned();
            return Err(RunError::Experiment(vec![what]));
        }
        let model = self.stages.model_before(&stage)?;
        let read = stage.training().or(stage.step.data());
        let dataset = read.map(|spec| spec.dataset.as_str());
        if let Some(name) = dataset {
            self.make_resident(name)?;
        }
        let context = context(setup, &self.resident, dataset);
        let start = StepStart {
            parents: &[parent],
            checkpoint: None,
            mask_files: &setup.experiment.mask_files,
        };
        // It saves nothing on the way: what is saved there is the stage's own.
        let options = RunOptions {
            checkpoint: Some(u32::MAX),
            ..setup.options.clone()
        };
        let names = [whose(setup, id)];
        let mut saver = Saver::new(&self.stages.folder, &options, &[&stage], &names);
        let what = stage.step.describe(1);
        let reporter = &mut self.reporter;
        let outcomes = execute(
            &context,
            &model,
            &[&stage],
            start,
            &mut saver,
            reporter,
            &what,
        )?;
        let outcome = outcomes.into_iter().next();
        outcome.ok_or_else(|| RunError::Experiment(vec![format!("{what}: nothing came of it")]))
    }
}

/// The first bit in which weights or masks differ.
fn first_difference(saved: &Arc<Snapshot>, again: &Arc<Snapshot>) -> Option<String> {
    let bits = |weights: &[f32]| weights.iter().map(|w| w.to_bits()).collect::<Vec<u32>>();
    let (old, new) = (bits(&saved.weights), bits(&again.weights));
    let differing = old.iter().zip(&new).filter(|(a, b)| a != b).count();
    if let Some(at) = old.iter().zip(&new).position(|(a, b)| a != b) {
        return Some(format!(
            "{differing} of {} weights, the first at {at}: {:e} was saved, {:e} comes out here",
            old.len(),
            saved.weights[at],
            again.weights[at]
        ));
    }
    (saved.mask != again.mask).then(|| "its mask".to_owned())
}
