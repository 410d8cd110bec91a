//! What must be computed: every run's stages, each history once.

use super::digest::{json, step_json};
use super::{Experiment, Step};
use crate::base::hex;
use crate::spec::{MaskStep, ModelSpec, Restart, Stopping, TrainSpec, TrainStep};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

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

impl Stage {
    /// What it trains: its own training, or the beginning of the one that it rewinds.
    pub fn training(&self) -> Option<&TrainSpec> {
        match &self.step {
            Step::Train(step) => Some(&step.train),
            _ => self.rewound.as_ref().map(|(step, _)| &step.train),
        }
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
    /// Plans an experiment. `context` is whatever else results depend on, such as the digests of the datasets; it goes
    /// into every stage's digest.
    pub fn new(experiment: &Experiment, context: &str) -> Plan {
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
                    .filter(|step| changes_anything(step))
                    .map(|step| (step, step_json(step, &experiment.mask_files)))
                    .collect();
                for &seed in &experiment.seeds {
                    let start = History::new(context, &variant.model, seed);
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
        let train = |stage: &&Stage| matches!(stage.step, Step::Train(_));
        self.stages.iter().filter(train).count()
    }

    fn walk(
        &mut self,
        mut history: History<'_>,
        steps: &[(&Step, String)],
        known: &mut HashMap<String, usize>,
    ) -> Vec<usize> {
        let mut stages = Vec::with_capacity(steps.len());
        for (step, canonical) in steps {
            let digest = history.extend(step, canonical);
            let id = *known.entry(digest.clone()).or_insert_with(|| {
                let id = self.stages.len();
                self.stages.push(Stage {
                    id,
                    parent: stages.last().copied(),
                    seed: history.seed,
                    model: history.model.clone(),
                    step: (*step).clone(),
                    rewound: history.rewound(step),
                    train_ordinal: history.train_ordinal,
                    fresh_ordinal: history.fresh_ordinal,
                    step_ordinal: history.step_ordinal,
                    digest,
                });
                id
            });
            history.finish(step);
            stages.push(id);
        }
        stages
    }
}

/// Steps that only say aloud what is so anyway make no new history.
fn changes_anything(step: &Step) -> bool {
    !matches!(
        step,
        Step::Mask(MaskStep::Transfer) | Step::Restart(Restart::None)
    )
}

/// A run up to some step.
struct History<'m> {
    hash: Sha256,
    model: &'m ModelSpec,
    seed: u32,
    train_ordinal: u32,
    fresh_ordinal: u32,
    step_ordinal: u32,
    /// The first training since the weights were fresh, with its ordinal.
    origin: Option<(TrainStep, u32)>,
}

impl<'m> History<'m> {
    fn new(context: &str, model: &'m ModelSpec, seed: u32) -> History<'m> {
        let mut history = History {
            hash: Sha256::new(),
            model,
            seed,
            train_ordinal: 0,
            fresh_ordinal: 0,
            step_ordinal: 0,
            origin: None,
        };
        // The model's name is left out: a preset and its layers written out are the same model.
        history.absorb(&json(&(context, seed, &model.layers, model.init)));
        history
    }

    /// JSON has no raw line breaks, so one after each part keeps parts apart.
    fn absorb(&mut self, canonical: &str) {
        self.hash.update(canonical.as_bytes());
        self.hash.update(b"\n");
    }

    /// Adds a step and names the history that ends with it.
    fn extend(&mut self, step: &Step, canonical: &str) -> String {
        self.absorb(canonical);
        if matches!(step, Step::Restart(Restart::Fresh)) {
            self.fresh_ordinal += 1;
            self.origin = None;
        }
        hex(self.hash.clone())
    }

    /// Counts a step as lying before the next.
    fn finish(&mut self, step: &Step) {
        self.step_ordinal += 1;
        if let Step::Train(step) = step {
            let ordinal = self.train_ordinal;
            self.origin.get_or_insert_with(|| (step.clone(), ordinal));
            self.train_ordinal += 1;
        }
    }

    /// [`Stage::rewound`].
    fn rewound(&self, step: &Step) -> Option<(TrainStep, u32)> {
        let Step::Restart(Restart::Rewind(to)) = step else {
            return None;
        };
        let (mut beginning, ordinal) = self.origin.clone()?;
        beginning.train.leave = Some(*to);
        beginning.train.stopping = Stopping::NEVER;
        Some((beginning, ordinal))
    }
}
