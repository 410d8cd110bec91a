//! What must be computed: every run's stages, each history once.

use super::history::History;
use super::step::Step;
use super::types::Experiment;
use crate::base::{hex, json};
use crate::spec::{ModelSpec, Restart, Stopping, TrainSpec, TrainStep};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// One step of one or more runs, with everything it needs to be computed and named.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// Its place in [`Plan::stages`]; parents come before children.
    pub id: usize,
    /// The stage whose weights and mask this one starts from; `None` starts from fresh weights.
    pub parent: Option<usize>,
    /// The seed of every run through this stage.
    pub seed: u32,
    /// The model of every run through this stage.
    pub model: ModelSpec,
    /// What it does.
    pub step: Step,
    /// Of a rewinding: the training it goes back into, up to the point it goes back to, and that training's
    /// [`Stage::train_ordinal`].
    pub rewound: Option<(TrainStep, u32)>,
    /// `train` steps before this one in its history.
    pub train_ordinal: u32,
    /// `restart = "fresh"` steps up to and including this one.
    pub fresh_ordinal: u32,
    /// Steps before this one in its history.
    pub step_ordinal: u32,
    /// SHA-256 over the context, the model, the seed and the whole history: equal digests, equal results.
    pub digest: String,
}

/// What results depend on beside the experiment.
#[derive(Clone, Debug, Default)]
pub struct PlanContext {
    /// Numerical version, adapter, driver: whatever all results depend on.
    pub everywhere: String,
    /// Of each dataset its digest, and the shape that models take from it.
    pub data: BTreeMap<String, DataIdentity>,
}

/// What tells one dataset from another.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DataIdentity {
    /// SHA-256 over both splits.
    pub digest: String,
    /// Channels, rows and columns of an image, and classes.
    pub shape: [usize; 4],
}

impl Stage {
    /// What it trains: its own training, or the beginning of the one that it rewinds.
    pub fn training(&self) -> Option<&TrainSpec> {
        let rewound = || self.rewound.as_ref().map(|(step, _)| step);
        let training = self.step.training().or_else(rewound)?;
        Some(&training.train)
    }
}

/// One arm at one point of the sweep with one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Index into [`Experiment::arms`].
    pub arm: usize,
    /// Index into that arm's variants.
    pub variant: usize,
    /// The seed.
    pub seed: u32,
    /// Stages, first to last.
    pub stages: Vec<usize>,
}

/// All runs of an experiment: by arm, then variant, then seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Every stage once, parents first.
    pub stages: Vec<Stage>,
    /// Every run.
    pub runs: Vec<Run>,
}

impl Plan {
    /// Plans an experiment. A stage's digest covers of `context` what all results depend on, and the datasets that its own history
    /// reads: another arm on other data changes nothing for it.
    pub fn new(experiment: &Experiment, context: &PlanContext) -> Plan {
        let mut plan = Plan {
            stages: Vec::new(),
            runs: Vec::new(),
        };
        let mut known = HashMap::new();
        for (arm_index, arm) in experiment.arms.iter().enumerate() {
            for (variant_index, variant) in arm.variants.iter().enumerate() {
                let steps: Vec<(&Step, String)> = variant
                    .steps
                    .iter()
                    .filter(|step| step.changes_anything())
                    .map(|step| (step, context.input(step, &experiment.mask_files)))
                    .collect();
                // The first weights are drawn for inputs of this shape.
                let read = variant.steps.iter().find_map(Step::data);
                let shape = read.and_then(|spec| context.data.get(&spec.dataset));
                let first = (&context.everywhere, shape.map(|data| data.shape));
                for &seed in &experiment.seeds {
                    let start = Naming::new(&first, &variant.model, seed);
                    let stages = plan.walk(start, &steps, &mut known);
                    plan.runs.push(Run {
                        arm: arm_index,
                        variant: variant_index,
                        seed,
                        stages,
                    });
                }
            }
        }
        plan
    }

    /// Stages that need not be computed because another run has the same history so far.
    pub fn shared(&self) -> usize {
        let asked: usize = self.runs.iter().map(|run| run.stages.len()).sum();
        asked - self.stages.len()
    }

    /// How many stages are `train` steps: nearly all of the work.
    pub fn trainings(&self) -> usize {
        let trains = |stage: &&Stage| stage.step.training().is_some();
        self.stages.iter().filter(trains).count()
    }

    fn walk(
        &mut self,
        mut naming: Naming<'_>,
        steps: &[(&Step, String)],
        known: &mut HashMap<String, usize>,
    ) -> Vec<usize> {
        let mut stages = Vec::with_capacity(steps.len());
        let mut history = History::new(());
        for (step, canonical) in steps {
            let before = history.clone();
            history.take(step);
            let digest = naming.extend(canonical);
            let id = *known.entry(digest.clone()).or_insert_with(|| {
                let id = self.stages.len();
                self.stages.push(Stage {
                    id,
                    parent: stages.last().copied(),
                    seed: naming.seed,
                    model: naming.model.clone(),
                    step: (*step).clone(),
                    rewound: rewound(&before, step),
                    train_ordinal: before.trainings,
                    fresh_ordinal: history.draws,
                    step_ordinal: before.steps,
                    digest,
                });
                id
            });
            stages.push(id);
        }
        stages
    }
}

impl PlanContext {
    /// What a step adds to its history, as digests take it: the step, and the data that it reads.
    fn input(&self, step: &Step, mask_files: &BTreeMap<PathBuf, String>) -> String {
        let read = step.data().and_then(|spec| self.data.get(&spec.dataset));
        let canonical = step.canonical(mask_files);
        match read {
            Some(data) => format!("{canonical} {}", data.digest),
            None => canonical,
        }
    }
}

/// [`Stage::rewound`] of a step.
fn rewound(before: &History<'_>, step: &Step) -> Option<(TrainStep, u32)> {
    let Step::Restart(Restart::Rewind(to)) = step else {
        return None;
    };
    let first = before.first_training?;
    let mut beginning = first.step.clone();
    beginning.train.leave = Some(*to);
    beginning.train.stopping = Stopping::NEVER;
    Some((beginning, first.ordinal))
}

/// Names the histories of a run as they grow.
struct Naming<'m> {
    hash: Sha256,
    model: &'m ModelSpec,
    seed: u32,
}

impl<'m> Naming<'m> {
    fn new(first: &impl Serialize, model: &'m ModelSpec, seed: u32) -> Naming<'m> {
        let hash = Sha256::new();
        let mut naming = Naming { hash, model, seed };
        // The model's name is left out: a preset and its layers written out are the same model.
        naming.absorb(&json(&(first, seed, &model.layers, model.init)));
        naming
    }

    /// JSON has no raw line breaks, so one after each part keeps parts apart.
    fn absorb(&mut self, canonical: &str) {
        self.hash.update(canonical.as_bytes());
        self.hash.update(b"\n");
    }

    /// Adds a step and names the history that ends with it.
    fn extend(&mut self, canonical: &str) -> String {
        self.absorb(canonical);
        hex(self.hash.clone())
    }
}
